"""What a provider's event does to the books: each exactly once, in whatever order they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from backend.unit_of_work import UnitOfWork
from backend.webhooks.events import ProviderEvent


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"  # the books changed
    UNCHANGED = "unchanged"  # all of it was known already, or there was nothing left to change
    KEPT_AS_CREDIT = "kept_as_credit"  # the money is there, but not on the invoice it was meant for
    WAITING = "waiting"  # kept; it is applied when the payment comes


@dataclass(frozen=True, slots=True)
class Effect:
    """What an event did, and to which payment; `detail` is one sentence for people.

    `codes` are stable words for whatever was out of the ordinary, such as `refund_capped`.
    """

    outcome: Outcome
    payment_id: UUID | None
    detail: str
    codes: tuple[str, ...] = ()


def apply_event(work: UnitOfWork, provider: str, event: ProviderEvent) -> Effect:
    """Bring the books to what the event says. Asked again, it changes nothing and says so.

    Raises Refused or InvalidInput, with a reason that a person can act on, for an event that
    cannot be applied; NotAllowed for an actor who may not move money.
    """
    raise NotImplementedError(provider)
