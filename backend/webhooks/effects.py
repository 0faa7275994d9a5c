"""What a provider's event does to the books: each exactly once, in whatever order they come.

Money goes through the same services as every payment. Each event answers with an `Effect`, in
which everything out of the ordinary is said, so that nobody has to compare amounts to notice it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.actor import Action
from backend.checks import required_text
from backend.errors import InvalidInput, Refused, RuleRefused
from backend.money import ZERO, currency, parse_amount
from backend.payments.attempts import has_external_attempt, record_attempt
from backend.payments.claims import (
    Claim,
    ClaimTold,
    Settlement,
    list_claims,
    note_claim,
    record_loss,
    settle_claims,
)
from backend.payments.models import ClaimKind, DisputeEnd, PaymentMethod
from backend.payments.queries import PaymentView, find_external_payment
from backend.payments.service import RecordPayment, record_payment
from backend.unit_of_work import UnitOfWork
from backend.webhooks.events import EventKind, ProviderEvent
from backend.webhooks.targets import Target, find_named_customer, find_named_invoice, find_target


class Outcome(StrEnum):
    """What became of an event."""

    APPLIED = "applied"  # the books changed, or what they know of the payment
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
    work.actor.require(Action.PAYMENTS_WRITE)
    required_text(provider, field="provider", max_length=50)
    required_text(event.external_payment_id, field="payment_id", max_length=200)
    return _HANDLERS[event.kind](work, provider, event)


def _succeeded(work: UnitOfWork, provider: str, event: ProviderEvent) -> Effect:
    """A payment under the provider's id, unless it is there already, by whatever way it came."""
    known = find_external_payment(work, provider, event.external_payment_id)
    if known is not None:
        return _already_recorded(known, event)
    target = find_target(work, event)
    command = RecordPayment(
        amount=_positive(event.amount, _currency_of(work, event), "amount"),
        currency_code=event.currency_code,
        method=PaymentMethod.EXTERNAL,
        invoice_id=target.invoice_id,
        customer_id=target.customer_id,
        allocations=None if target.obstacle is None else (),
        keep_excess_as_credit=True,
        external_provider=provider,
        external_payment_id=event.external_payment_id,
        received_on=_day_of(work, event.occurred_at),
    )
    payment = record_payment(work, command)
    return _recorded(payment, target, list_claims(work, provider, event.external_payment_id))


def _already_recorded(payment: PaymentView, event: ProviderEvent) -> Effect:
    codes: tuple[str, ...] = ("already_recorded",)
    detail = "The payment is recorded already; nothing changed."
    if event.amount not in (None, payment.amount):
        codes = (*codes, "amount_differs")
        detail = (
            f"The payment is recorded already, but with {_money(payment.amount, payment)}, not "
            f"{event.amount}; nothing changed."
        )
    return Effect(Outcome.UNCHANGED, payment.payment_id, detail, codes)


def _recorded(payment: PaymentView, target: Target, claims: list[Claim]) -> Effect:
    amount = _money(payment.amount, payment)
    taken = payment.refunded_amount + payment.disputed_amount
    codes = []
    outcome = Outcome.APPLIED
    if target.obstacle is not None:
        codes.append(target.obstacle.code)
        detail = f"{amount} recorded and kept as credit, for {target.obstacle.detail}."
        outcome = Outcome.KEPT_AS_CREDIT
    elif payment.applied_amount == ZERO < payment.unapplied_amount:
        codes.append("nothing_open")
        detail = f"{amount} recorded and kept as credit, for the customer has nothing open."
        outcome = Outcome.KEPT_AS_CREDIT
    elif payment.unapplied_amount > ZERO:
        codes.append("excess_kept_as_credit")
        credit = _money(payment.unapplied_amount, payment)
        detail = f"{amount} recorded, of which {credit} is kept as credit."
    elif payment.applied_amount > ZERO:
        detail = f"{amount} recorded and applied."
    else:
        detail = f"{amount} recorded."
    if taken > ZERO:
        codes.append("claims_applied")
        detail += f" {_money(taken, payment)} of it was refunded or disputed before it came."
    if any(claim.currency_code not in (None, payment.currency_code) for claim in claims):
        codes.append("claim_in_other_currency")
        detail += " A refund or dispute told before is in another currency; nothing was taken."
    return Effect(outcome, payment.payment_id, detail, tuple(codes))


def _failed(work: UnitOfWork, provider: str, event: ProviderEvent) -> Effect:
    """An attempt with its code and message, kept once, also when the payment succeeded before."""
    external = (provider, event.external_payment_id)
    if has_external_attempt(work, *external, event.occurred_at):
        detail = "The failed attempt is known already; nothing changed."
        return Effect(Outcome.UNCHANGED, None, detail, ("already_recorded",))
    invoice = find_named_invoice(work, event)
    code = event.failure_code or "payment_failed"
    message = event.failure_message or "The provider says that the payment failed."
    record_attempt(
        work,
        amount=_positive(event.amount, _currency_of(work, event), "amount"),
        currency_code=_currency_of(work, event),
        method=PaymentMethod.EXTERNAL,
        customer_id=find_named_customer(work, event) if invoice is None else invoice.customer_id,
        invoice_id=None if invoice is None else invoice.invoice_id,
        external=external,
        external_at=event.occurred_at,
        failure=Refused(message, code=code),
    )
    detail = f"The failed attempt to pay is kept: {message} ({code})"
    paid = find_external_payment(work, provider, event.external_payment_id)
    if paid is None:
        return Effect(Outcome.APPLIED, None, detail)
    detail += " The payment itself succeeded, and stays."
    return Effect(Outcome.APPLIED, paid.payment_id, detail)


def _refunded(work: UnitOfWork, provider: str, event: ProviderEvent) -> Effect:
    """The payment is refunded up to the total that was told."""
    code = _currency_claimed(work, provider, event)
    told = ClaimTold(
        provider,
        event.external_payment_id,
        ClaimKind.REFUND,
        currency_code=code,
        amount=_positive(event.refunded_total, code, "refunded_amount"),
    )
    _, settlement = _settle(work, told)
    if settlement is None:
        return _waiting(event, "the refund is kept, and taken from the payment when it comes")
    payment, claim = settlement.payment, _claim_of(settlement, told)
    codes, remarks = _shortfall(claim, payment, "refund")
    if settlement.taken > ZERO:
        what = f"{_money(payment.refunded_amount, payment)} of the payment is refunded"
        return _effect(Outcome.APPLIED, payment, what, codes, remarks)
    what = f"{_money(payment.refunded_amount, payment)} was refunded already; nothing changed"
    return _effect(Outcome.UNCHANGED, payment, what, codes or ["already_recorded"], remarks)


def _disputed(work: UnitOfWork, provider: str, event: ProviderEvent) -> Effect:
    """The disputed amount is taken from the payment while the dispute lasts."""
    code = _currency_claimed(work, provider, event)
    told = ClaimTold(
        provider,
        event.external_payment_id,
        ClaimKind.DISPUTE,
        _dispute_id(event),
        code,
        _positive(event.amount, code, "amount"),
    )
    _, settlement = _settle(work, told)
    if settlement is None:
        return _waiting(event, "the dispute is kept, and taken from the payment when it comes")
    payment, claim = settlement.payment, _claim_of(settlement, told)
    codes, remarks = _shortfall(claim, payment, "dispute")
    if settlement.taken > ZERO:
        what = f"{_money(claim.taken_amount, payment)} of the payment is disputed"
        return _effect(Outcome.APPLIED, payment, what, codes, remarks)
    codes = codes or ["already_recorded"]
    if claim.closed_as is not None:
        codes.append("dispute_closed")
        what = f"The dispute was {claim.closed_as} already; nothing changed"
    else:
        what = "The dispute is known already; nothing changed"
    return _effect(Outcome.UNCHANGED, payment, what, codes, remarks)


def _dispute_closed(work: UnitOfWork, provider: str, event: ProviderEvent) -> Effect:
    """A dispute that was won gives back what it took; one that was lost keeps it."""
    if event.is_won is None:
        raise InvalidInput.of("outcome", "must say whether the dispute was won or lost")
    end = DisputeEnd.WON if event.is_won else DisputeEnd.LOST
    code = amount = None
    if event.amount is not None:
        code = _currency_claimed(work, provider, event)
        amount = _positive(event.amount, code, "amount")
    told = ClaimTold(
        provider,
        event.external_payment_id,
        ClaimKind.DISPUTE,
        _dispute_id(event),
        code,
        amount,
        end,
        event.occurred_at,
    )
    is_new, settlement = _settle(work, told)
    if settlement is None:
        return _waiting(event, f"that the dispute was {end} is kept until it comes")
    payment, claim = settlement.payment, _claim_of(settlement, told)
    if claim.claimed_amount is None and end is DisputeEnd.LOST:
        detail = "The dispute was lost, but its amount is not told yet: that is waited for."
        return Effect(Outcome.WAITING, payment.payment_id, detail, ("dispute_unknown",))
    if not is_new:
        what = f"That the dispute was {claim.closed_as} is known already; nothing changed"
        return _effect(Outcome.UNCHANGED, payment, what, ["already_recorded"], [])
    if claim.closed_as is DisputeEnd.LOST:
        record_loss(work, payment, claim)
        codes, remarks = _shortfall(claim, payment, "dispute")
        what = f"The dispute was lost: {_money(claim.taken_amount, payment)} stays taken"
        return _effect(Outcome.APPLIED, payment, what, codes, remarks)
    return _won(settlement)


def _won(settlement: Settlement) -> Effect:
    payment = settlement.payment
    if settlement.restored == ZERO:
        codes = ["nothing_was_taken"]
        remarks = []
        if payment.reversed_amount > ZERO:
            codes.append("reversed_by_hand")
            remarks.append("what was reversed by hand stays reversed")
        what = "The dispute was won, and it had taken nothing"
        return _effect(Outcome.APPLIED, payment, what, codes, remarks)
    what = f"The dispute was won: {_money(settlement.restored, payment)} is back"
    codes, remarks = [], []
    if settlement.reapplied < settlement.restored:
        codes.append("restored_as_credit")
        rest = _money(settlement.restored - settlement.reapplied, payment)
        remarks.append(f"{rest} of it went to no invoice again")
    return _effect(Outcome.APPLIED, payment, what, codes, remarks)


def _settle(work: UnitOfWork, told: ClaimTold) -> tuple[bool, Settlement | None]:
    """Keep what was told, and bring the payment to it; whether it was new, and the payment."""
    is_new = note_claim(work, told)
    return is_new, settle_claims(work, told.provider, told.external_payment_id)


def _claim_of(settlement: Settlement, told: ClaimTold) -> Claim:
    return next(
        claim
        for claim in settlement.claims
        if (claim.kind, claim.dispute_id) == (told.kind, told.dispute_id)
    )


def _shortfall(claim: Claim, payment: PaymentView, noun: str) -> tuple[list[str], list[str]]:
    """Codes and remarks about what was claimed and could not be taken."""
    claimed = claim.counts_in(payment.currency_code)
    if claimed <= claim.taken_amount:
        return [], []
    codes = [f"{noun}_capped"]
    remarks = [f"{_money(claimed, payment)} was claimed, and there was no more to take"]
    if payment.reversed_amount > ZERO:
        codes.append("reversed_by_hand")
        remarks = [f"{_money(payment.reversed_amount, payment)} of it was reversed by hand before"]
    return codes, remarks


def _waiting(event: ProviderEvent, what: str) -> Effect:
    detail = f"There is no payment {event.external_payment_id} yet: {what}."
    return Effect(Outcome.WAITING, None, detail, ("payment_unknown",))


def _effect(
    outcome: Outcome, payment: PaymentView, what: str, codes: list[str], remarks: list[str]
) -> Effect:
    detail = "; ".join([what, *remarks]) + "."
    return Effect(outcome, payment.payment_id, detail, tuple(codes))


def _dispute_id(event: ProviderEvent) -> str:
    """A provider that names no dispute has at most one on a payment."""
    if event.dispute_id is None:
        return ""
    return required_text(event.dispute_id, field="dispute_id", max_length=200)


def _positive(amount: Decimal | None, currency_code: str, field: str) -> Decimal:
    """A positive amount of a currency. Raises InvalidInput."""
    if amount is None:
        raise InvalidInput.of(field, "is required")
    parsed = parse_amount(amount, in_currency=currency(currency_code), field=field)
    if parsed <= ZERO:
        raise InvalidInput.of(field, "must be greater than zero")
    return parsed


def _currency_claimed(work: UnitOfWork, provider: str, event: ProviderEvent) -> str:
    """The currency of a refund or dispute: the event's, else that of its payment.

    Raises InvalidInput when neither is known yet, RuleRefused (currency_mismatch) when they differ.
    """
    payment = find_external_payment(work, provider, event.external_payment_id)
    if event.currency_code is None:
        if payment is None:
            raise InvalidInput.of("currency_code", "is required before the payment is known")
        return payment.currency_code
    if payment is not None and event.currency_code != payment.currency_code:
        raise RuleRefused(
            f"The payment is in {payment.currency_code}, the event in {event.currency_code}: "
            "nothing can be taken from it.",
            code="currency_mismatch",
            payment_id=str(payment.payment_id),
        )
    return event.currency_code


def _currency_of(work: UnitOfWork, event: ProviderEvent) -> str:
    """The event's currency, else that of the invoice it names, else the tenant's."""
    if event.currency_code is not None:
        return event.currency_code
    invoice = find_named_invoice(work, event)
    return work.tenant.currency_code if invoice is None else invoice.currency_code


def _day_of(work: UnitOfWork, instant: datetime) -> date:
    """The tenant's calendar day of what happened; today when a provider's clock runs ahead."""
    return min(instant.astimezone(ZoneInfo(work.tenant.time_zone)).date(), work.today)


def _money(amount: Decimal, payment: PaymentView) -> str:
    in_currency = currency(payment.currency_code)
    return f"{in_currency.text(amount)} {in_currency.code}"


_HANDLERS: dict[EventKind, Callable[[UnitOfWork, str, ProviderEvent], Effect]] = {
    EventKind.PAYMENT_SUCCEEDED: _succeeded,
    EventKind.PAYMENT_FAILED: _failed,
    EventKind.PAYMENT_REFUNDED: _refunded,
    EventKind.PAYMENT_DISPUTED: _disputed,
    EventKind.DISPUTE_CLOSED: _dispute_closed,
}
