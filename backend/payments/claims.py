"""Refunds and disputes that providers tell us about, whether we have their payment yet or not.

Each is kept as a claim on a payment, and `settle_claims` brings the payment to what all its claims
together say. So they may come in any order, twice, and before the payment: what counts is what is
known, not when it came to be known.

- A refund is told as the total so far; the largest total counts.
- A dispute takes its amount while it is open and when it is lost; one that is won gives back
  exactly what it took, to the same invoices as far as they are open, the rest as credit.
- Refunds go before disputes, and together they never take more than the payment.
- What was reversed by hand counts as the first part of each claim told later: nothing is taken
  twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.failures import LostRace
from backend.db.statements import TENANT, Statement, constant
from backend.errors import RuleRefused
from backend.ids import new_id
from backend.invoices.balances import find_balance
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account
from backend.money import ZERO
from backend.payments.allocation import Share
from backend.payments.applying import told_shares
from backend.payments.credit import spend_credit
from backend.payments.models import PROVIDER_CLAIMS, ClaimKind, DisputeEnd
from backend.payments.queries import PaymentView, find_external_payment, get_payment
from backend.payments.taking import Part, Taker, put_back, take_out, told_parts
from backend.unit_of_work import Reader, UnitOfWork

_K, _E, _X = PROVIDER_CLAIMS, LEDGER_ENTRIES, LEDGER_POSTINGS
# Refunds first, then disputes as they were told. UPDLOCK, HOLDLOCK: on SQL Server a payment and a
# claim on it that come at the same moment must see each other; each asks here first.
_CLAIMS = Statement(
    sa.select(
        _K.c.id,
        _K.c.kind,
        _K.c.dispute_id,
        _K.c.currency_code,
        _K.c.claimed_amount,
        _K.c.taken_amount,
        _K.c.closed_as,
        _K.c.closed_at,
        _K.c.version,
    )
    .with_hint(_K, "WITH (UPDLOCK, HOLDLOCK)", "mssql")
    .where(
        _K.c.tenant_id == TENANT,
        _K.c.provider == sa.bindparam("provider"),
        _K.c.external_payment_id == sa.bindparam("external_payment_id"),
    )
    .order_by(_K.c.kind.desc(), _K.c.row_id)
)
_ADD = Statement(sa.insert(_K))
_CHANGE = Statement(
    sa.update(_K)
    .where(
        _K.c.tenant_id == TENANT,
        _K.c.id == sa.bindparam("claim_id"),
        _K.c.version == sa.bindparam("seen_version"),
    )
    .values(
        currency_code=sa.bindparam("new_currency_code"),
        claimed_amount=sa.bindparam("new_claimed_amount"),
        taken_amount=sa.bindparam("new_taken_amount"),
        closed_as=sa.bindparam("new_closed_as"),
        closed_at=sa.bindparam("new_closed_at"),
        updated_at=sa.bindparam("now"),
        version=_K.c.version + 1,
    )
)
# What a claim took from each invoice and has not given back, the last taken first: that is the
# order in which the payment was applied.
_TAKEN_FROM = Statement(
    sa.select(_E.c.invoice_id, sa.func.sum(_X.c.amount).label("amount"))
    .join(_X, sa.and_(_X.c.tenant_id == _E.c.tenant_id, _X.c.entry_id == _E.c.id))
    .where(
        _E.c.tenant_id == TENANT,
        _E.c.payment_id == sa.bindparam("payment_id"),
        _E.c.claim_id == sa.bindparam("claim_id"),
        _X.c.account == Account.ACCOUNTS_RECEIVABLE,
    )
    .group_by(_E.c.invoice_id)
    .having(sa.func.sum(_X.c.amount) > constant(0))
    .order_by(sa.func.max(_E.c.row_id).desc())
)
_TAKERS = {ClaimKind.REFUND: Taker.REFUND, ClaimKind.DISPUTE: Taker.DISPUTE}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a provider takes back of a payment; see the table for its columns."""

    claim_id: UUID
    kind: ClaimKind
    dispute_id: str
    currency_code: str | None
    claimed_amount: Decimal | None
    taken_amount: Decimal
    closed_as: DisputeEnd | None
    closed_at: datetime | None
    version: int

    def counts_in(self, currency_code: str) -> Decimal:
        """What it claims of a payment in this currency: nothing once it is won."""
        if self.currency_code != currency_code or self.closed_as is DisputeEnd.WON:
            return ZERO
        return self.claimed_amount or ZERO


@dataclass(frozen=True, slots=True)
class ClaimTold:
    """What was just told about a claim. An amount comes with its currency.

    `closed_at` is the provider's time of the dispute's end.
    """

    provider: str
    external_payment_id: str
    kind: ClaimKind
    dispute_id: str = ""
    currency_code: str | None = None
    amount: Decimal | None = None
    closed_as: DisputeEnd | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The payment as its claims leave it, and how much of it moved."""

    payment: PaymentView
    claims: tuple[Claim, ...]
    taken: Decimal = ZERO
    restored: Decimal = ZERO
    reapplied: Decimal = ZERO

    @property
    def has_moved(self) -> bool:
        """Whether any money moved."""
        return self.taken > ZERO or self.restored > ZERO


def list_claims(reader: Reader, provider: str, external_payment_id: str) -> list[Claim]:
    """The claims on a provider's payment: its refunds, then its disputes as they were told."""
    rows = reader.rows(_CLAIMS, provider=provider, external_payment_id=external_payment_id)
    return [Claim(*row) for row in rows]


def wanted_amounts(payment: PaymentView, claims: Sequence[Claim]) -> list[Decimal]:
    """How much of the payment each claim holds once all of them are settled."""
    left = payment.amount - payment.reversed_amount
    wanted = []
    for claim in claims:
        counted = claim.counts_in(payment.currency_code)
        # What went by hand is part of what is claimed; what was taken before that stays taken.
        not_yet_gone = max(counted - payment.reversed_amount, min(claim.taken_amount, counted))
        part = min(not_yet_gone, left)
        wanted.append(part)
        left -= part
    return wanted


def note_claim(work: UnitOfWork, told: ClaimTold) -> bool:
    """Keep what was told; whether it is anything new. Nothing is booked yet.

    The largest amount told counts, and of two ends of a dispute the later one. Raises RuleRefused
    (currency_mismatch) when it was told in another currency before.
    """
    known = list_claims(work, told.provider, told.external_payment_id)
    claim = next(
        (one for one in known if (one.kind, one.dispute_id) == (told.kind, told.dispute_id)), None
    )
    if claim is None:
        claim = _add_claim(work, told)
        before = None
    else:
        if told.currency_code not in (None, claim.currency_code or told.currency_code):
            raise RuleRefused(
                f"The {claim.kind} was told in {claim.currency_code} before, and is told in "
                f"{told.currency_code} now.",
                code="currency_mismatch",
            )
        before = {"claimed_amount": claim.claimed_amount, "closed_as": claim.closed_as}
        amounts = [one for one in (claim.claimed_amount, told.amount) if one is not None]
        new = {
            "currency_code": claim.currency_code or told.currency_code,
            "claimed_amount": max(amounts, default=None),
            "closed_as": claim.closed_as,
            "closed_at": claim.closed_at,
        }
        if told.closed_at is not None and (
            claim.closed_at is None or claim.closed_at < told.closed_at
        ):
            new |= {"closed_as": told.closed_as, "closed_at": told.closed_at}
        if all(getattr(claim, name) == value for name, value in new.items()):
            return False
        _change_claim(work, claim, **new)
    work.record(
        "provider_claim.noted",
        "provider_claim",
        claim.claim_id,
        before=before,
        after={
            "provider": told.provider,
            "external_payment_id": told.external_payment_id,
            "kind": told.kind,
            "dispute_id": told.dispute_id,
            "amount": told.amount,
            "closed_as": told.closed_as,
        },
    )
    return True


def settle_claims(work: UnitOfWork, provider: str, external_payment_id: str) -> Settlement | None:
    """Bring the payment to what its claims say; None when there is no such payment yet."""
    claims = list_claims(work, provider, external_payment_id)
    payment = find_external_payment(work, provider, external_payment_id)
    if payment is None:
        return None
    wanted = wanted_amounts(payment, claims)
    payment_id = payment.payment_id
    restored = taken = reapplied = ZERO
    given_back: list[tuple[Claim, Decimal]] = []
    for claim, amount in zip(claims, wanted, strict=True):
        freed = claim.taken_amount - amount
        if freed > ZERO:
            put_back(work, get_payment(work, payment_id), freed, claim.claim_id)
            given_back.append((claim, freed))
            restored += freed
    for claim, amount in zip(claims, wanted, strict=True):
        missing = amount - claim.taken_amount
        if missing > ZERO:
            _take(work, get_payment(work, payment_id), claim, missing, provider)
            taken += missing
    for claim, amount in zip(claims, wanted, strict=True):
        if amount != claim.taken_amount:
            _change_claim(work, claim, taken_amount=amount)
    # What one dispute gave back and another claim took at once is not there to be applied.
    available = max(restored - taken, ZERO)
    for claim, freed in given_back:
        shares = _shares_to_restore(work, payment_id, claim, min(freed, available))
        if shares:
            again = get_payment(work, payment_id)
            reapplied += spend_credit(work, again, shares, claim_id=claim.claim_id)
        available -= min(freed, available)
        _record_return(work, payment_id, claim, freed, shares)
    return Settlement(
        get_payment(work, payment_id),
        tuple(list_claims(work, provider, external_payment_id)),
        taken,
        restored,
        reapplied,
    )


def record_loss(work: UnitOfWork, payment: PaymentView, claim: Claim) -> None:
    """Write down that a dispute was lost: what it took of which invoices stays taken."""
    parts = taken_from(work, payment.payment_id, claim.claim_id)
    work.record(
        "payment.dispute_lost",
        "payment",
        payment.payment_id,
        after={
            "amount": claim.taken_amount,
            "dispute_id": claim.dispute_id,
            "allocations": told_parts(parts),
        },
    )


def taken_from(reader: Reader, payment_id: UUID, claim_id: UUID) -> list[Part]:
    """What a claim took from each invoice and has not given back, in the order of payment."""
    rows = reader.rows(_TAKEN_FROM, payment_id=payment_id, claim_id=claim_id)
    return [Part(*row) for row in rows]


def _add_claim(work: UnitOfWork, told: ClaimTold) -> Claim:
    claim = Claim(
        new_id(),
        told.kind,
        told.dispute_id,
        told.currency_code,
        told.amount,
        ZERO,
        told.closed_as,
        told.closed_at,
        1,
    )
    work.execute(
        _ADD,
        id=claim.claim_id,
        provider=told.provider,
        external_payment_id=told.external_payment_id,
        kind=claim.kind,
        dispute_id=claim.dispute_id,
        currency_code=claim.currency_code,
        claimed_amount=claim.claimed_amount,
        taken_amount=claim.taken_amount,
        closed_as=claim.closed_as,
        closed_at=claim.closed_at,
        correlation_id=work.actor.correlation_id,
        created_at=work.now,
        updated_at=work.now,
        version=claim.version,
    )
    return claim


def _change_claim(work: UnitOfWork, claim: Claim, **new: Any) -> None:
    values = {
        name: new.get(name, getattr(claim, name))
        for name in ("currency_code", "claimed_amount", "taken_amount", "closed_as", "closed_at")
    }
    touched = work.execute(
        _CHANGE,
        claim_id=claim.claim_id,
        seen_version=claim.version,
        now=work.now,
        **{f"new_{name}": value for name, value in values.items()},
    )
    if touched != 1:
        raise LostRace


def _take(
    work: UnitOfWork, payment: PaymentView, claim: Claim, amount: Decimal, provider: str
) -> None:
    """Book so much more of a claim."""
    is_refund = claim.kind is ClaimKind.REFUND
    reason = f"{'Refunded' if is_refund else 'Disputed'} at {provider}"
    taker = _TAKERS[claim.kind]
    parts = take_out(work, payment, amount, taker, reason=reason, claim_id=claim.claim_id)
    now = get_payment(work, payment.payment_id)
    work.record(
        "payment.refunded" if is_refund else "payment.disputed",
        "payment",
        payment.payment_id,
        before=_told_amounts(payment),
        after={
            "amount": amount,
            **({} if is_refund else {"dispute_id": claim.dispute_id}),
            **_told_amounts(now),
            "allocations": told_parts(parts),
        },
    )


def _record_return(
    work: UnitOfWork, payment_id: UUID, claim: Claim, amount: Decimal, shares: list[Share]
) -> None:
    is_won = claim.closed_as is DisputeEnd.WON
    work.record(
        "payment.dispute_won" if is_won else "payment.dispute_lowered",
        "payment",
        payment_id,
        after={
            "amount": amount,
            "dispute_id": claim.dispute_id,
            **_told_amounts(get_payment(work, payment_id)),
            "allocations": told_shares(shares),
        },
    )


def _told_amounts(payment: PaymentView) -> dict[str, Any]:
    return {
        "status": payment.status,
        "unapplied_amount": payment.unapplied_amount,
        "refunded_amount": payment.refunded_amount,
        "disputed_amount": payment.disputed_amount,
    }


def _shares_to_restore(
    work: UnitOfWork, payment_id: UUID, claim: Claim, amount: Decimal
) -> list[Share]:
    """Where money that a dispute gave back goes: the invoices it was taken from, if still open.

    Only an open invoice has a balance.
    """
    shares = []
    left = amount
    for part in taken_from(work, payment_id, claim.claim_id):
        balance = find_balance(work, part.invoice_id)
        assert balance is not None
        share = min(part.amount, balance.balance_due, left)
        if share > ZERO:
            shares.append(Share(balance, share))
            left -= share
    return shares
