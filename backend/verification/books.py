"""The money checks of one tenant: every cached amount against the ledger, to the cent.

Each check is one query that returns only the rows that differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement, constant
from backend.db.types import Text
from backend.dunning.models import INVOICE_HOLDS
from backend.invoices.models import INVOICE_LINE_ITEMS, INVOICES, NUMBER_SERIES
from backend.ledger.models import LEDGER_ENTRIES, LEDGER_POSTINGS, Account
from backend.payments.models import PAYMENT_ALLOCATIONS, PAYMENTS, PROVIDER_CLAIMS
from backend.unit_of_work import Reader
from backend.verification.checks import NOTHING, Check, allocated, differing, or_nothing
from backend.verification.findings import Finding
from backend.verification.payments import PAYMENT_CHECKS

_I, _L, _P, _A = INVOICES, INVOICE_LINE_ITEMS, PAYMENTS, PAYMENT_ALLOCATIONS
_E, _X, _K = LEDGER_ENTRIES, LEDGER_POSTINGS, PROVIDER_CLAIMS


def _posted(account: Account, by: Any, *more: Any) -> Any:
    """Sum of an account's postings for each value of a posting's column."""
    return (
        sa.select(by.label("key"), sa.func.sum(_X.c.amount).label("amount"))
        .where(_X.c.tenant_id == TENANT, _X.c.account == account, *more)
        .group_by(by)
        .subquery()
    )


def _row_check(name: str, own: Any, expected: Any, sums: Any, *, sign: int = 1) -> Check:
    return Check(name, Statement(differing(own, expected, sums, sign=sign)))


def _issued(amount: Any) -> Any:
    """The amount while the invoice stands in the books, nothing once it is draft or undone."""
    standing = _I.c.status.in_([constant(s) for s in ("sent", "overdue", "paid")])
    return sa.case((standing, amount), else_=NOTHING)


def _unbalanced_entries() -> Statement:
    return Statement(
        sa.select(
            _X.c.entry_id.label("subject"),
            NOTHING.label("expected"),
            sa.func.sum(_X.c.amount).label("found"),
        )
        .where(_X.c.tenant_id == TENANT)
        .group_by(_X.c.entry_id)
        .having(sa.func.sum(_X.c.amount) != NOTHING)
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
            or_nothing(lines.c.amount).label("found"),
        )
        .join(lines, lines.c.key == _I.c.id, isouter=True)
        .where(_I.c.tenant_id == TENANT, _I.c.subtotal_amount != or_nothing(lines.c.amount))
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
            or_nothing(sums.c.amount).label("expected"),
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
        .where(posted.c.amount != or_nothing(sums.c.amount))
    )


def _holds_against_their_history() -> Statement:
    """The hold on an invoice against the one that stands in its history.

    A promise that was broken stands in no history any more, and stays on the invoice.
    """

    def differs(one: Any, other: Any) -> Any:
        return sa.or_(
            one != other,
            sa.and_(one.is_(None), other.is_not(None)),
            sa.and_(one.is_not(None), other.is_(None)),
        )

    def told(kind: Any) -> Any:
        return sa.func.coalesce(sa.type_coerce(kind, Text(32)), constant("no hold"))

    standing, broken = INVOICE_HOLDS.alias("standing"), INVOICE_HOLDS.alias("broken")
    is_broken = (
        sa.select(NOTHING)
        .where(
            broken.c.tenant_id == TENANT,
            broken.c.invoice_id == _I.c.id,
            # Of promises alone; naming the kind would lead to the index of all that were made.
            broken.c.ended_as == constant("broken"),
            broken.c.until == _I.c.hold_until,
        )
        .exists()
    )
    return Statement(
        sa.select(
            _I.c.id.label("subject"),
            told(standing.c.kind).label("expected"),
            told(_I.c.hold_kind).label("found"),
        )
        .join(
            standing,
            sa.and_(
                standing.c.tenant_id == TENANT,
                standing.c.invoice_id == _I.c.id,
                standing.c.ended_on.is_(None),
            ),
            isouter=True,
        )
        .where(
            _I.c.tenant_id == TENANT,
            sa.or_(
                differs(_I.c.hold_kind, standing.c.kind),
                differs(_I.c.hold_until, standing.c.until),
                differs(_I.c.hold_amount, standing.c.amount),
                differs(_I.c.hold_reason, standing.c.reason),
            ),
            sa.not_(
                sa.and_(standing.c.id.is_(None), _I.c.hold_kind == constant("promise"), is_broken)
            ),
        )
    )


_RECEIVABLE = _posted(Account.ACCOUNTS_RECEIVABLE, _X.c.invoice_id)
_CHECKS = (
    Check("entry_balances", _unbalanced_entries()),
    Check("posting_matches_entry", _postings_unlike_their_entry()),
    _row_check("invoice_balance_is_receivable", _I, _I.c.balance_due, _RECEIVABLE),
    _row_check("invoice_paid_is_allocated", _I, _I.c.paid_amount, allocated(_A.c.invoice_id)),
    _row_check(
        "invoice_subtotal_is_revenue",
        _I,
        _issued(_I.c.subtotal_amount),
        _posted(Account.REVENUE, _X.c.invoice_id),
        sign=-1,
    ),
    _row_check(
        "invoice_tax_is_payable",
        _I,
        _issued(_I.c.tax_amount),
        _posted(Account.SALES_TAX_PAYABLE, _X.c.invoice_id),
        sign=-1,
    ),
    Check("invoice_lines_add_up", _lines_against_subtotal()),
    Check("invoice_hold_is_in_its_history", _holds_against_their_history()),
    *PAYMENT_CHECKS,
    Check(
        "customer_owes_receivable",
        _customers_against_ledger(Account.ACCOUNTS_RECEIVABLE, _I.c.balance_due, 1),
    ),
    Check(
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
    "provider_claims": Statement(
        sa.select(sa.func.count()).select_from(_K).where(_K.c.tenant_id == TENANT)
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
