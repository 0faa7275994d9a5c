"""Every error a use case can raise, with a stable code and typed facts; no HTTP in here.

    BillerJacketError
    ├── InvalidInput            a field is missing, malformed or names a row that is not there
    ├── MalformedHeader         a header is missing or malformed
    │   └── IdempotencyKeyMissing
    ├── NotSignedIn             no key or session, or an unknown one
    ├── NotAllowed              known, but not for this: role, tenant, revoked, inactive
    ├── NotFound                no such row in this tenant
    ├── Refused                 decided by the rules; nothing changed
    │   ├── StateConflict       the row's state does not permit it
    │   └── RuleRefused         the amounts do not permit it
    ├── IdempotencyKeyReused    the same key with another request
    ├── TooManyRequests         slow down; try again after `retry_after_seconds`
    └── Busy                    the database cannot answer just now; safe to try again

Each entrance translates once: the API to problem+json, the operator app to a message, the worker
to abandon or dead-letter.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid field: its dotted path and what is wrong with it."""

    field: str
    message: str


class BillerJacketError(Exception):
    """Base of all our errors. `code` is stable; `detail` is one sentence for a person."""

    default_code = "error"

    def __init__(self, detail: str, *, code: str | None = None, **facts: object) -> None:
        super().__init__(detail)
        self.code = code or self.default_code
        self.detail = detail
        self.facts = facts


class InvalidInput(BillerJacketError):
    """The request cannot be understood; `errors` names each field."""

    default_code = "invalid_input"

    def __init__(self, errors: list[FieldError], *, code: str | None = None) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.field}: {first.message}{more}", code=code)
        self.errors = errors

    @classmethod
    def of(cls, field: str, message: str, *, code: str | None = None) -> InvalidInput:
        """The common case: one field."""
        return cls([FieldError(field, message)], code=code)


class MalformedHeader(BillerJacketError):
    """A required header is missing or malformed."""

    default_code = "malformed_header"


class IdempotencyKeyMissing(MalformedHeader):
    """An operation that moves money came without an Idempotency-Key."""

    default_code = "idempotency_key_missing"


class NotSignedIn(BillerJacketError):
    """No credentials, or credentials nobody has."""

    default_code = "not_signed_in"


class NotAllowed(BillerJacketError):
    """The actor is known but may not do this."""

    default_code = "not_allowed"


class NotFound(BillerJacketError):
    """There is no such row in the actor's tenant (another tenant's row looks the same)."""

    default_code = "not_found"


class Refused(BillerJacketError):
    """The rules decided against it. Nothing changed, and asking again gives the same answer."""

    default_code = "refused"


class StateConflict(Refused):
    """The row is in a state that does not permit this."""

    default_code = "state_conflict"


class RuleRefused(Refused):
    """The amounts do not permit this."""

    default_code = "rule_refused"


class IdempotencyKeyReused(BillerJacketError):
    """An Idempotency-Key came again with a different request."""

    default_code = "idempotency_key_reused"


class TooManyRequests(BillerJacketError):
    """The caller must wait `retry_after_seconds`."""

    default_code = "too_many_requests"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds)
        self.retry_after_seconds = retry_after_seconds


class Busy(BillerJacketError):
    """The database is locked, full or away. Nothing changed; the same request may be sent again."""

    default_code = "temporarily_unavailable"
    retry_after_seconds = 1
