"""The money checks of one tenant: every cached amount against the ledger, to the cent.

Each check is one query that returns only the rows that differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement, constant
from backend.invoices.models import INVOICE_LINE_ITEMS, INVOICES, NUMBER_SERIES
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account
from backend.payments.models import PAYMENT_ALLOCATIONS, PAYMENTS, PaymentStatus
from backend.unit_of_work import Reader
from backend.verification.findings import Finding

_I, _L, _P, _A = INVOICES, INVOICE_LINE_ITEMS, PAYMENTS, PAYMENT_ALLOCATIONS
_E, _X = LEDGER_ENTRIES, LEDGER_POSTINGS
_NOTHING = constant(0)


@dataclass(frozen=True, slots=True)
class _Check:
    """A named query with columns `subject`, `expected` and `found`."""

    name: str
    statement: Statement


def _or_nothing(column: Any) -> Any:
    return sa.func.coalesce(column, _NOTHING)


def _posted(account: Account, by: Any, *more: Any) -> Any:
    """Sum of an account's postings for each value of a posting's column."""
    return (
        sa.select(by.label("key"), sa.func.sum(_X.c.amount).label("amount"))
        .where(_X.c.tenant_id == TENANT, _X.c.account == account, *more)
        .group_by(by)
        .subquery()
    )


def _posted_for_payment(account: Account) -> Any:
    """Sum of an account's postings for each payment."""
    return (
        sa.select(_E.c.payment_id.label("key"), sa.func.sum(_X.c.amount).label("amount"))
        .join(_X, sa.and_(_X.c.tenant_id == _E.c.tenant_id, _X.c.entry_id == _E.c.id))
        .where(_E.c.tenant_id == TENANT, _X.c.account == account, _E.c.payment_id.is_not(None))
        .group_by(_E.c.payment_id)
        .subquery()
    )


def _applied(by: Any) -> Any:
    """Sum of the allocations that stand, for each payment or invoice."""
    return (
        sa.select(by.label("key"), sa.func.sum(_A.c.amount).label("amount"))
        .where(_A.c.tenant_id == TENANT, _A.c.reversed_at.is_(None))
        .group_by(by)
        .subquery()
    )


def _invoice_check(name: str, expected: Any, sums: Any, *, sign: int = 1) -> _Check:
    found = _or_nothing(sums.c.amount if sign > 0 else -sums.c.amount)
    return _Check(
        name,
        Statement(
            sa.select(_I.c.id.label("subject"), expected.label("expected"), found.label("found"))
            .join(sums, sums.c.key == _I.c.id, isouter=True)
            .where(_I.c.tenant_id == TENANT, expected != found)
        ),
    )


def _payment_check(name: str, expected: Any, sums: Any, *, sign: int = 1) -> _Check:
    found = _or_nothing(sums.c.amount if sign > 0 else -sums.c.amount)
    return _Check(
        name,
        Statement(
            sa.select(_P.c.id.label("subject"), expected.label("expected"), found.label("found"))
            .join(sums, sums.c.key == _P.c.id, isouter=True)
            .where(_P.c.tenant_id == TENANT, expected != found)
        ),
    )


def _issued(amount: Any) -> Any:
    """The amount while the invoice stands in the books, nothing once it is draft or undone."""
    standing = _I.c.status.in_([constant(s) for s in ("sent", "overdue", "paid")])
    return sa.case((standing, amount), else_=_NOTHING)


def _succeeded(amount: Any) -> Any:
    return sa.case((_P.c.status == PaymentStatus.SUCCEEDED, amount), else_=_NOTHING)


def _unbalanced_entries() -> Statement:
    return Statement(
        sa.select(
            _X.c.entry_id.label("subject"),
            _NOTHING.label("expected"),
            sa.func.sum(_X.c.amount).label("found"),
        )
        .where(_X.c.tenant_id == TENANT)
        .group_by(_X.c.entry_id)
        .having(sa.func.sum(_X.c.amount) != _NOTHING)
    )


def _postings_unlike_their_entry() -> Statement:
    same_invoice = sa.func.coalesce(_X.c.invoice_id, _X.c.entry_id) == sa.func.coalesce(
        _E.c.invoice_id, _X.c.entry_id
    )
    return Statement(
        sa.select(
            _X.c.id.label("subject"),
            sa.literal("a copy of its entry").label("expected"),
            sa.literal("another day, currency, customer or invoice").label("found"),
        )
        .join(_E, sa.and_(_E.c.tenant_id == _X.c.tenant_id, _E.c.id == _X.c.entry_id))
        .where(
            _X.c.tenant_id == TENANT,
            sa.or_(
                _X.c.entry_day != _E.c.entry_day,
                _X.c.currency_code != _E.c.currency_code,
                _X.c.customer_id != _E.c.customer_id,
                sa.not_(same_invoice),
            ),
        )
    )


def _lines_against_subtotal() -> Statement:
    lines = (
        sa.select(_L.c.invoice_id.label("key"), sa.func.sum(_L.c.line_total).label("amount"))
        .where(_L.c.tenant_id == TENANT)
        .group_by(_L.c.invoice_id)
        .subquery()
    )
    return Statement(
        sa.select(
            _I.c.id.label("subject"),
            _I.c.subtotal_amount.label("expected"),
            _or_nothing(lines.c.amount).label("found"),
        )
        .join(lines, lines.c.key == _I.c.id, isouter=True)
        .where(_I.c.tenant_id == TENANT, _I.c.subtotal_amount != _or_nothing(lines.c.amount))
    )


def _customers_against_ledger(account: Account, cached: Any, sign: int) -> Statement:
    """The cached amounts of a customer, per currency, against the account's postings."""
    amount = _X.c.amount if sign > 0 else -_X.c.amount
    posted = (
        sa.select(_X.c.customer_id, _X.c.currency_code, sa.func.sum(amount).label("amount"))
        .where(_X.c.tenant_id == TENANT, _X.c.account == account)
        .group_by(_X.c.customer_id, _X.c.currency_code)
        .subquery()
    )
    own = cached.table
    sums = (
        sa.select(own.c.customer_id, own.c.currency_code, sa.func.sum(cached).label("amount"))
        .where(own.c.tenant_id == TENANT)
        .group_by(own.c.customer_id, own.c.currency_code)
        .subquery()
    )
    return Statement(
        sa.select(
            posted.c.customer_id.label("subject"),
            _or_nothing(sums.c.amount).label("expected"),
            posted.c.amount.label("found"),
        )
        .join(
            sums,
            sa.and_(
                sums.c.customer_id == posted.c.customer_id,
                sums.c.currency_code == posted.c.currency_code,
            ),
            isouter=True,
        )
        .where(posted.c.amount != _or_nothing(sums.c.amount))
    )


_RECEIVABLE = _posted(Account.ACCOUNTS_RECEIVABLE, _X.c.invoice_id)
_CHECKS = (
    _Check("entry_balances", _unbalanced_entries()),
    _Check("posting_matches_entry", _postings_unlike_their_entry()),
    _invoice_check("invoice_balance_is_receivable", _I.c.balance_due, _RECEIVABLE),
    _invoice_check("invoice_paid_is_allocated", _I.c.paid_amount, _applied(_A.c.invoice_id)),
    _invoice_check(
        "invoice_subtotal_is_revenue",
        _issued(_I.c.subtotal_amount),
        _posted(Account.REVENUE, _X.c.invoice_id),
        sign=-1,
    ),
    _invoice_check(
        "invoice_tax_is_payable",
        _issued(_I.c.tax_amount),
        _posted(Account.SALES_TAX_PAYABLE, _X.c.invoice_id),
        sign=-1,
    ),
    _Check("invoice_lines_add_up", _lines_against_subtotal()),
    _payment_check("payment_applied_is_allocated", _P.c.applied_amount, _applied(_A.c.payment_id)),
    _payment_check(
        "payment_unapplied_is_credit",
        _P.c.unapplied_amount,
        _posted_for_payment(Account.UNAPPLIED_CASH),
        sign=-1,
    ),
    _payment_check(
        "payment_amount_is_cash",
        _succeeded(_P.c.amount),
        _posted_for_payment(Account.CASH_CLEARING),
    ),
    _Check(
        "customer_owes_receivable",
        _customers_against_ledger(Account.ACCOUNTS_RECEIVABLE, _I.c.balance_due, 1),
    ),
    _Check(
        "customer_credit_is_unapplied",
        _customers_against_ledger(Account.UNAPPLIED_CASH, _P.c.unapplied_amount, -1),
    ),
)

_NUMBERED = Statement(
    sa.select(sa.func.count().label("count")).where(
        _I.c.tenant_id == TENANT, _I.c.invoice_number.is_not(None)
    )
)
_NEXT = Statement(sa.select(NUMBER_SERIES.c.next_number).where(NUMBER_SERIES.c.tenant_id == TENANT))
_COUNTS = {
    "invoices": Statement(
        sa.select(sa.func.count()).select_from(_I).where(_I.c.tenant_id == TENANT)
    ),
    "payments": Statement(
        sa.select(sa.func.count()).select_from(_P).where(_P.c.tenant_id == TENANT)
    ),
    "ledger_entries": Statement(
        sa.select(sa.func.count()).select_from(_E).where(_E.c.tenant_id == TENANT)
    ),
}


def check_books(reader: Reader) -> Iterator[Finding]:
    """Everything in the tenant's books that does not agree."""
    for check in _CHECKS:
        for row in reader.rows(check.statement):
            yield Finding(
                reader.tenant_id, check.name, str(row.subject), str(row.expected), str(row.found)
            )
    numbered = reader.scalar(_NUMBERED) or 0
    issued = (reader.scalar(_NEXT) or 1) - 1
    if numbered != issued:
        yield Finding(
            reader.tenant_id, "numbers_are_gapless", "invoice numbers", str(issued), str(numbered)
        )


def count_books(reader: Reader) -> dict[str, int]:
    """How much was checked."""
    return {name: reader.scalar(statement) or 0 for name, statement in _COUNTS.items()}
