"""A tenant's own addresses for providers: made, their secrets replaced, switched off and on.

A provider cannot send our API key, so the address holds a token that nobody can guess, and the
provider signs what it sends. A secret is replaced without a gap: the new one is added, both are
good, and when the provider signs with the new one the older is retired.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.db.statements import TENANT, PlatformStatement, Statement, at_most
from backend.errors import NotFound, StateConflict
from backend.ids import new_id
from backend.tenants.models import TENANTS, TenantStatus
from backend.unit_of_work import Reader, UnitOfWork
from backend.webhooks.models import WEBHOOK_ENDPOINTS, WEBHOOK_EVENTS
from backend.webhooks.providers import provider_called
from backend.webhooks.secrets import (
    TOKEN_HINT_LENGTH,
    SecretBox,
    new_secret,
    new_token,
    token_digest,
)

_P, _E = WEBHOOK_ENDPOINTS, WEBHOOK_EVENTS
_REASON_LENGTH = 200

_ONE = (_P.c.tenant_id == TENANT, _P.c.id == sa.bindparam("endpoint_id"))
_INSERT = Statement(sa.insert(_P))
_LAST_EVENT_AT = (
    sa.select(_E.c.last_delivered_at)
    .where(_E.c.tenant_id == TENANT, _E.c.endpoint_id == _P.c.id)
    .order_by(_E.c.row_id.desc())
    .limit(at_most(1))
    .scalar_subquery()
)
_VIEW = sa.select(
    _P.c.id.label("webhook_endpoint_id"),
    _P.c.provider,
    _P.c.token_hint,
    _P.c.is_active,
    _P.c.created_at,
    _P.c.secret_set_at,
    _P.c.previous_secret_set_at,
    _P.c.refused_count,
    _P.c.last_refused_at,
    _P.c.last_refused_reason,
    _LAST_EVENT_AT.label("last_event_at"),
).where(_P.c.tenant_id == TENANT)
_GET = Statement(_VIEW.where(_P.c.id == sa.bindparam("endpoint_id")))
_LIST = Statement(_VIEW.order_by(_P.c.row_id.desc()))
_SECRETS = Statement(
    sa.select(
        _P.c.provider,
        _P.c.token_hint,
        _P.c.encrypted_secret,
        _P.c.secret_set_at,
        _P.c.encrypted_previous_secret,
        _P.c.previous_secret_set_at,
    ).where(*_ONE)
)
_SET_SECRETS = Statement(
    sa.update(_P)
    .where(*_ONE)
    .values(
        encrypted_secret=sa.bindparam("newer"),
        secret_set_at=sa.bindparam("newer_at"),
        encrypted_previous_secret=sa.bindparam("older"),
        previous_secret_set_at=sa.bindparam("older_at"),
    )
)
_SET_ACTIVE = Statement(
    sa.update(_P)
    .where(*_ONE, _P.c.is_active != sa.bindparam("active", type_=sa.Boolean))
    .values(is_active=sa.bindparam("active", type_=sa.Boolean))
)
_COUNT_REFUSED = Statement(
    sa.update(_P)
    .where(*_ONE)
    .values(
        refused_count=_P.c.refused_count + sa.bindparam("more", type_=sa.Integer),
        last_refused_at=sa.bindparam("at"),
        last_refused_reason=sa.bindparam("reason"),
    )
)
_TENANT_OF = PlatformStatement(
    sa.select(_P.c.tenant_id).where(_P.c.id == sa.bindparam("endpoint_id"))
)
# Whoever delivers is known by the token alone; the tenant follows from it.
_BY_TOKEN = PlatformStatement(
    sa.select(
        _P.c.id,
        _P.c.tenant_id,
        _P.c.provider,
        _P.c.encrypted_secret,
        _P.c.encrypted_previous_secret,
        _P.c.is_active,
        TENANTS.c.status,
    )
    .join(TENANTS, TENANTS.c.id == _P.c.tenant_id)
    .where(_P.c.token_digest == sa.bindparam("digest"))
)


class WhichSecret(StrEnum):
    """One of the two secrets that are good while one is replaced."""

    OLDER = "older"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """An address for a provider. Without a `secret` one is made up."""

    provider: str
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An address just made; token and secret are shown now and never again."""

    webhook_endpoint_id: UUID
    provider: str
    endpoint_token: str
    secret: str

    def url(self, public_url: str) -> str:
        """Where the provider is to deliver."""
        return f"{public_url}/api/webhooks/{self.provider}/{self.endpoint_token}"


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An address as its owner sees it: neither token nor secret is in it.

    `token_hint` is how the token begins. `previous_secret_set_at` is set while two secrets are
    good. `refused_count` counts deliveries whose signature proved nothing.
    """

    webhook_endpoint_id: UUID
    provider: str
    token_hint: str
    is_active: bool
    created_at: datetime
    secret_set_at: datetime
    previous_secret_set_at: datetime | None
    refused_count: int
    last_refused_at: datetime | None
    last_refused_reason: str | None
    last_event_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundEndpoint:
    """Where a token leads: whose address it is, and what its deliveries are signed with."""

    endpoint_id: UUID
    tenant_id: UUID
    provider: str
    sealed_secrets: tuple[str, ...]
    takes_deliveries: bool

    def secrets(self, box: SecretBox) -> list[str]:
        """The secrets that are good, the newest first. Raises SecretUnreadable."""
        return [
            box.open(sealed, tenant_id=self.tenant_id, endpoint_id=self.endpoint_id)
            for sealed in self.sealed_secrets
        ]


def create_endpoint(work: UnitOfWork, box: SecretBox, command: CreateEndpoint) -> NewEndpoint:
    """Make an address. Raises NotAllowed, InvalidInput, NotFound for an unknown provider."""
    work.actor.require(Action.TENANT_ADMIN)
    provider = provider_called(command.provider)
    assert work.tenant.id == work.tenant_id  # Refuses an unknown tenant before anything is made.
    secret = _checked(command.provider, command.secret)
    token, endpoint_id = new_token(), new_id()
    work.execute(
        _INSERT,
        id=endpoint_id,
        provider=provider.name,
        token_digest=token_digest(token),
        token_hint=token[:TOKEN_HINT_LENGTH],
        encrypted_secret=box.seal(secret, tenant_id=work.tenant_id, endpoint_id=endpoint_id),
        secret_set_at=work.now,
        encrypted_previous_secret=None,
        previous_secret_set_at=None,
        is_active=True,
        created_at=work.now,
        refused_count=0,
        last_refused_at=None,
        last_refused_reason=None,
    )
    _record(work, "created", endpoint_id, after={"provider": provider.name, **_hint(token)})
    return NewEndpoint(endpoint_id, provider.name, token, secret)


def add_secret(
    work: UnitOfWork, box: SecretBox, endpoint_id: UUID, secret: str | None = None
) -> str:
    """Add a secret beside the one there is, and return it: it is shown only now.

    Without a `secret` one is made up. Raises NotAllowed, NotFound, InvalidInput, and StateConflict
    while two are good already.
    """
    work.actor.require(Action.TENANT_ADMIN)
    row = _secrets_of(work, endpoint_id)
    if row.encrypted_previous_secret is not None:
        raise StateConflict(
            "Two secrets are good already: retire one of them first.", code="two_secrets"
        )
    added = _checked(row.provider, secret)
    work.execute(
        _SET_SECRETS,
        endpoint_id=endpoint_id,
        newer=box.seal(added, tenant_id=work.tenant_id, endpoint_id=endpoint_id),
        newer_at=work.now,
        older=row.encrypted_secret,
        older_at=row.secret_set_at,
    )
    _record(work, "secret_added", endpoint_id, after=_hint(row.token_hint))
    return added


def retire_secret(
    work: UnitOfWork, endpoint_id: UUID, which: WhichSecret = WhichSecret.OLDER
) -> None:
    """Refuse one of two secrets from now on; the newer one when it was added by mistake.

    Raises NotAllowed, NotFound, and StateConflict when there is only one.
    """
    work.actor.require(Action.TENANT_ADMIN)
    row = _secrets_of(work, endpoint_id)
    if row.encrypted_previous_secret is None:
        raise StateConflict(
            "There is only one secret: add the new one before the old one is retired.",
            code="only_secret",
        )
    keeps_older = which is WhichSecret.NEWER
    work.execute(
        _SET_SECRETS,
        endpoint_id=endpoint_id,
        newer=row.encrypted_previous_secret if keeps_older else row.encrypted_secret,
        newer_at=row.previous_secret_set_at if keeps_older else row.secret_set_at,
        older=None,
        older_at=None,
    )
    before = _hint(row.token_hint) | {"which": which.value}
    _record(work, "secret_retired", endpoint_id, before=before)


def deactivate_endpoint(work: UnitOfWork, endpoint_id: UUID) -> None:
    """Refuse its deliveries from now on; doing so twice is no error. Raises NotAllowed, NotFound"""
    _set_active(work, endpoint_id, active=False)


def activate_endpoint(work: UnitOfWork, endpoint_id: UUID) -> None:
    """Take its deliveries again. Raises NotAllowed, NotFound."""
    _set_active(work, endpoint_id, active=True)


def list_endpoints(reader: Reader) -> list[EndpointView]:
    """The tenant's addresses, newest first, inactive ones too. Raises NotAllowed."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    return [_view(row) for row in reader.rows(_LIST)]


def get_endpoint(reader: Reader, endpoint_id: UUID) -> EndpointView:
    """One of them. Raises NotAllowed, NotFound."""
    reader.actor.require(Action.SUPPORT_TOOLS)
    row = reader.first(_GET, endpoint_id=endpoint_id)
    if row is None:
        raise _no_such_endpoint()
    return _view(row)


def count_refused(work: UnitOfWork, endpoint_id: UUID, count: int, reason: str) -> None:
    """Add deliveries that were refused, the last one for this reason, for support to see."""
    work.execute(
        _COUNT_REFUSED,
        endpoint_id=endpoint_id,
        more=count,
        at=work.now,
        reason=reason[:_REASON_LENGTH],
    )


def find_by_token(reader: Reader, digest: str) -> FoundEndpoint | None:
    """Where a delivery goes, by the digest of the token in its address."""
    row = reader.first(_BY_TOKEN, digest=digest)
    if row is None:
        return None
    return FoundEndpoint(
        endpoint_id=row.id,
        tenant_id=row.tenant_id,
        provider=row.provider,
        sealed_secrets=tuple(
            one for one in (row.encrypted_secret, row.encrypted_previous_secret) if one is not None
        ),
        takes_deliveries=row.is_active and row.status is TenantStatus.ACTIVE,
    )


def get_tenant_of_endpoint(reader: Reader, endpoint_id: UUID) -> UUID:
    """Whose address this is, for the platform's own tools. Raises NotAllowed, NotFound."""
    reader.actor.require(Action.PLATFORM_ADMIN)
    tenant_id: UUID | None = reader.scalar(_TENANT_OF, endpoint_id=endpoint_id)
    if tenant_id is None:
        raise _no_such_endpoint()
    return tenant_id


def _set_active(work: UnitOfWork, endpoint_id: UUID, *, active: bool) -> None:
    work.actor.require(Action.TENANT_ADMIN)
    row = _secrets_of(work, endpoint_id)
    if work.execute(_SET_ACTIVE, endpoint_id=endpoint_id, active=active):
        verb = "activated" if active else "deactivated"
        _record(work, verb, endpoint_id, after=_hint(row.token_hint))


def _checked(provider: str, secret: str | None) -> str:
    if secret is None:
        return new_secret()
    provider_called(provider).check_secret(secret)
    return secret


def _secrets_of(work: UnitOfWork, endpoint_id: UUID) -> Any:
    row = work.first(_SECRETS, endpoint_id=endpoint_id)
    if row is None:
        raise _no_such_endpoint()
    return row


def _record(
    work: UnitOfWork,
    verb: str,
    endpoint_id: UUID,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    work.record(
        f"webhook_endpoint.{verb}", "webhook_endpoint", endpoint_id, before=before, after=after
    )


def _hint(token: str) -> dict[str, Any]:
    return {"token_hint": token[:TOKEN_HINT_LENGTH]}


def _view(row: Any) -> EndpointView:
    return EndpointView(**row._asdict())


def _no_such_endpoint() -> NotFound:
    return NotFound("There is no such webhook endpoint.", code="webhook_endpoint_not_found")
