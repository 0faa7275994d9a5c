"""The money checks of payments: where all of each payment is, and what providers claim of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement, constant
from backend.db.types import MoneyAmount
from backend.ledger.models import LEDGER_ENTRIES, Account, EntryKind
from backend.payments.models import (
    PAYMENT_ALLOCATIONS,
    PAYMENTS,
    PROVIDER_CLAIMS,
    ClaimKind,
    DisputeEnd,
)
from backend.verification.checks import (
    NOTHING,
    Check,
    allocated,
    differing,
    or_nothing,
    posted_by_entry,
)

_P, _A, _K, _E = PAYMENTS, PAYMENT_ALLOCATIONS, PROVIDER_CLAIMS, LEDGER_ENTRIES
_IS_RECEIVED = _P.c.status.in_([constant(s) for s in ("succeeded", "reversed")])
_PARTS_OF_PAYMENT = (
    _P.c.applied_amount
    + _P.c.unapplied_amount
    + _P.c.refunded_amount
    + _P.c.disputed_amount
    + _P.c.reversed_amount
)
_LEFT_OF_PAYMENT = _P.c.applied_amount + _P.c.unapplied_amount
_CLAIMS_OF_PAYMENT = sa.and_(
    _K.c.tenant_id == _P.c.tenant_id,
    _K.c.provider == _P.c.external_provider,
    _K.c.external_payment_id == _P.c.external_payment_id,
)


def _row_check(name: str, own: Any, expected: Any, sums: Any, *, sign: int = 1) -> Check:
    return Check(name, Statement(differing(own, expected, sums, sign=sign)))


def _received(amount: Any) -> Any:
    """The amount of a payment whose money came in."""
    return sa.case((_IS_RECEIVED, amount), else_=NOTHING)


def _cash_of_payment(*kinds: EntryKind) -> Any:
    """What entries of these kinds moved in cash, for each payment."""
    return posted_by_entry(_E.c.payment_id, Account.CASH_CLEARING, *kinds)


def _claimed(*conditions: Any) -> Any:
    """What claims took, for each payment of a provider."""
    return (
        sa.select(
            _P.c.id.label("key"),
            sa.func.sum(_K.c.taken_amount).label("amount"),
        )
        .join(
            _K,
            _CLAIMS_OF_PAYMENT,
        )
        .where(_P.c.tenant_id == TENANT, *conditions)
        .group_by(_P.c.id)
        .subquery()
    )


def _payments_that_do_not_add_up() -> Statement:
    found = sa.type_coerce(_PARTS_OF_PAYMENT, MoneyAmount())
    return Statement(
        sa.select(_P.c.id.label("subject"), _P.c.amount.label("expected"), found.label("found"))
        .where(_P.c.tenant_id == TENANT, _P.c.amount != _PARTS_OF_PAYMENT)
        .where(_IS_RECEIVED)
    )


def _payments_with_a_wrong_status() -> Statement:
    has_some = _LEFT_OF_PAYMENT > NOTHING
    expected = sa.case((has_some, constant("succeeded")), else_=constant("reversed"))
    return Statement(
        sa.select(
            _P.c.id.label("subject"), expected.label("expected"), _P.c.status.label("found")
        ).where(_P.c.tenant_id == TENANT, _IS_RECEIVED, _P.c.status != expected)
    )


def _claims_not_settled() -> Statement:
    """Payments that are not what the claims on them say, where nothing was reversed by hand.

    Disputes in the payment's currency that were not won take what refunds leave.
    """
    counts = sa.and_(
        _K.c.currency_code == _P.c.currency_code,
        sa.or_(_K.c.closed_as.is_(None), _K.c.closed_as != DisputeEnd.WON),
    )
    claimed = sa.func.sum(sa.case((counts, or_nothing(_K.c.claimed_amount)), else_=NOTHING))
    sums = (
        sa.select(_P.c.id.label("key"), claimed.label("amount"))
        .join(
            _K,
            _CLAIMS_OF_PAYMENT,
        )
        .where(_P.c.tenant_id == TENANT)
        .group_by(_P.c.id)
        .subquery()
    )
    expected = sa.case((sums.c.amount > _P.c.amount, _P.c.amount), else_=sums.c.amount)
    found = sa.type_coerce(_P.c.refunded_amount + _P.c.disputed_amount, MoneyAmount())
    return Statement(
        sa.select(_P.c.id.label("subject"), expected.label("expected"), found.label("found"))
        .join(sums, sums.c.key == _P.c.id)
        .where(_P.c.tenant_id == TENANT, _P.c.reversed_amount == NOTHING, expected != found)
    )


PAYMENT_CHECKS = (
    _row_check("payment_applied_is_allocated", _P, _P.c.applied_amount, allocated(_A.c.payment_id)),
    _row_check(
        "payment_unapplied_is_credit",
        _P,
        _P.c.unapplied_amount,
        posted_by_entry(_E.c.payment_id, Account.UNAPPLIED_CASH),
        sign=-1,
    ),
    _row_check(
        "payment_amount_is_cash",
        _P,
        _received(_P.c.amount),
        _cash_of_payment(EntryKind.PAYMENT_RECEIVED),
    ),
    _row_check(
        "payment_refunded_is_cash",
        _P,
        _P.c.refunded_amount,
        _cash_of_payment(EntryKind.PAYMENT_REFUNDED),
        sign=-1,
    ),
    _row_check(
        "payment_disputed_is_cash",
        _P,
        _P.c.disputed_amount,
        _cash_of_payment(EntryKind.PAYMENT_DISPUTED, EntryKind.DISPUTE_RESTORED),
        sign=-1,
    ),
    _row_check(
        "payment_reversed_is_cash",
        _P,
        _P.c.reversed_amount,
        _cash_of_payment(EntryKind.PAYMENT_REVERSED),
        sign=-1,
    ),
    Check("payment_adds_up", _payments_that_do_not_add_up()),
    Check("payment_status_is_what_is_left", _payments_with_a_wrong_status()),
    _row_check(
        "payment_refunded_is_claimed",
        _P,
        _P.c.refunded_amount,
        _claimed(_K.c.kind == ClaimKind.REFUND),
    ),
    _row_check(
        "payment_disputed_is_claimed",
        _P,
        _P.c.disputed_amount,
        _claimed(_K.c.kind == ClaimKind.DISPUTE),
    ),
    _row_check(
        "claim_taken_is_cash",
        _K,
        _K.c.taken_amount,
        posted_by_entry(_E.c.claim_id, Account.CASH_CLEARING),
        sign=-1,
    ),
    Check("claim_is_settled", _claims_not_settled()),
    _row_check(
        "allocation_is_receivable",
        _A,
        _A.c.amount,
        posted_by_entry(_E.c.id, Account.ACCOUNTS_RECEIVABLE, EntryKind.PAYMENT_APPLIED),
        sign=-1,
    ),
    _row_check(
        "allocation_reversed_is_receivable",
        _A,
        _A.c.reversed_amount,
        posted_by_entry(
            _E.c.reverses_entry_id, Account.ACCOUNTS_RECEIVABLE, EntryKind.APPLICATION_REVERSED
        ),
    ),
)
