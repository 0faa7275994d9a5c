"""The worklist: whom to call today, and why.

One row for each customer and currency with overdue money and at least one reason. Who is excluded
or paused is left alone, and so is who is to be called later: until the `next_on` of the newest
contact the customer is snoozed, and counted apart.

What is overdue under a standing hold of its invoice (a dispute, a promise, a pause) is part of
the overdue amount and told as `held_amount`, but makes no reason: the reasons of money look at the
rest only. The reasons in the order of priority:

1. broken_promise: the newest hold of an open invoice was a promise and ended as broken;
2. follow_up: the newest contact says to come back today or before, whatever is held;
3. unreachable: no e-mail address, or it bounced, or its owner complained: reminders reach nobody;
4. plan_exhausted: an overdue invoice has no further step in its plan;
5. no_plan: neither a plan of its own nor a default one that is active;
6. high_value: overdue with at least the tenant's high value amount, in the tenant's currency;
7. long_overdue: the oldest invoice is overdue for more than 60 days.

By priority a row stands where its first reason puts it, and within that the larger overdue amount
first. Every order ends with customer and currency, so it is total.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from backend.actor import Action
from backend.db.search import search_terms
from backend.dunning.contacts import ContactView, newest_contact
from backend.errors import InvalidInput
from backend.paging import LIMIT_DEFAULT, checked_limit
from backend.reporting import places
from backend.reporting.worklist_query import (
    LAST_REMINDED_ON,
    SORTS,
    Reason,
    count_statement,
    order_of,
    page_statement,
)
from backend.unit_of_work import Reader

__all__ = [
    "DEFAULT_SORT",
    "LONG_OVERDUE_DAYS",
    "SORTS",
    "Reason",
    "Worklist",
    "WorklistRow",
    "worklist",
]

LONG_OVERDUE_DAYS = 60
DEFAULT_SORT = "priority"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: dict[str, Callable[[str], Any]] = {
    "rank": places.number,
    "overdue_amount": places.amount,
    "oldest_due_on": date.fromisoformat,
    "customer_name": str,
    "contacted_at": places.instant,
    "customer_id": UUID,
    "currency_code": str,
}


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """Whom to call, about how much, and why; amounts in `currency_code`.

    `overdue_amount` is of `invoice_count` invoices, the oldest `days_late` days late; of it
    `held_amount` is under a standing hold. `open_amount` is what is owed in all, due or not.
    `broken_promise_on` is the day for which payment was promised, the latest of several.
    `next_on` is what the newest contact says.
    """

    customer_id: UUID
    customer_name: str
    phone: str | None
    email: str | None
    currency_code: str
    overdue_amount: Decimal
    held_amount: Decimal
    open_amount: Decimal
    invoice_count: int
    days_late: int
    reasons: tuple[Reason, ...]
    broken_promise_on: date | None
    last_contact: ContactView | None
    last_reminded_on: date | None
    next_on: date | None


@dataclass(frozen=True, slots=True)
class Worklist:
    """A page of the list of a day.

    `total` and the counts for each reason are of the whole list that `q` finds, whatever `reason`
    it is narrowed to; a row counts for each of its reasons. `snoozed` rows would be on it.
    """

    as_of: date
    items: list[WorklistRow]
    next_cursor: str | None
    total: int
    counts: dict[Reason, int]
    snoozed: int


def worklist(
    reader: Reader,
    *,
    sort: str = DEFAULT_SORT,
    reason: Reason | None = None,
    q: str | None = None,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
) -> Worklist:
    """Whom to call on the tenant's today.

    `sort` is one of SORTS, from its end with a minus before it: priority, amount, days_late, name,
    last_contact (never comes first). `q` searches the customer's name, e-mail and reference.
    Raises InvalidInput for an unknown sort, limit or cursor.
    """
    reader.actor.require(Action.READ)
    checked_limit(limit)
    if sort.removeprefix("-") not in SORTS:
        raise InvalidInput.of("sort", f"must be one of {', '.join(sorted(SORTS))}")
    search, terms = None, dict[str, str]()
    if q and q.strip():
        search, terms = search_terms(reader.connection.dialect, q)
    params = _params(reader) | terms
    place = {} if cursor is None else places.read_place(cursor, sort, order_of(sort), _KINDS)
    found = reader.rows(
        page_statement(sort, reason, search, goes_on=cursor is not None),
        **params,
        **place,
        page=limit + 1,
    )
    counts = reader.one(count_statement(search), **params)
    rows = found[:limit]
    return Worklist(
        as_of=reader.today,
        items=[_row(reader, row) for row in rows],
        next_cursor=(
            places.write_place(sort, order_of(sort), rows[-1]) if len(found) > limit else None
        ),
        total=counts.total,
        counts={one: getattr(counts, one.value) for one in Reason},
        snoozed=counts.snoozed,
    )


def _params(reader: Reader) -> dict[str, Any]:
    return {
        "today": reader.today,
        "long_before": reader.today - timedelta(days=LONG_OVERDUE_DAYS),
        "own_currency": reader.tenant.currency_code,
        "high_value": reader.tenant.high_value_amount,
        "never": _NEVER,
    }


def _row(reader: Reader, row: Any) -> WorklistRow:
    contact = newest_contact(reader, row.customer_id)
    return WorklistRow(
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        phone=row.phone,
        email=row.email,
        currency_code=row.currency_code,
        overdue_amount=row.overdue_amount,
        held_amount=row.held_amount,
        open_amount=row.open_amount,
        invoice_count=row.invoice_count,
        days_late=(reader.today - row.oldest_due_on).days,
        reasons=tuple(one for one in Reason if getattr(row, one.value)),
        broken_promise_on=row.broken_promise_on,
        last_contact=contact,
        last_reminded_on=reader.scalar(LAST_REMINDED_ON, customer_id=row.customer_id),
        next_on=None if contact is None else contact.next_on,
    )
