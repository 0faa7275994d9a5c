"""Contacts with customers and the worklist, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from backend.api.fields import Cursor, Day, Id, Limit, many_lines, one_line
from backend.api.schemas.common import Answer, Body, Date, Instant, Money, Uuid, example
from backend.dunning.contacts import NOTE_LENGTH_MAX
from backend.dunning.models import ContactKind, ContactOutcome
from backend.paging import LIMIT_DEFAULT
from backend.reporting.places import LENGTH_MAX
from backend.reporting.worklist import DEFAULT_SORT, SORTS, Reason

Kind = Literal["call", "note"]
Outcome = Literal[
    "reached", "left_message", "no_answer", "promised", "disputed", "refused", "wrong_number"
]
# Written out, because the document has a body called Reason already.
WorklistReason = Literal[
    "broken_promise",
    "follow_up",
    "unreachable",
    "plan_exhausted",
    "no_plan",
    "high_value",
    "long_overdue",
]
_CONTACT = {
    "contact_id": "0199f0a4-11c2-7d0e-9f1a-3b1d9c2be411",
    "customer_id": "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
    "invoice_id": None,
    "invoice_number": None,
    "kind": "call",
    "outcome": "left_message",
    "note": "Mrs. Ortiz is back on Monday.",
    "next_on": "2026-04-06",
    "created_by": "api-key:ERP",
    "created_at": "2026-04-02T15:04:05Z",
    "correlation_id": "9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
}


class NewContact(Body):
    """A call, which needs an outcome, or a note, which needs text; neither is changed later.

    Until `next_on` the customer is not on the worklist; then it is, as a follow-up.
    """

    model_config = example(
        kind="call",
        outcome="left_message",
        note="Mrs. Ortiz is back on Monday.",
        next_on="2026-04-06",
    )

    kind: ContactKind
    outcome: ContactOutcome | None = None
    note: Annotated[str, many_lines(NOTE_LENGTH_MAX)] | None = None
    next_on: Day | None = Field(
        default=None, description="The day to come back; today at the earliest."
    )
    invoice_id: Id | None = Field(default=None, description="Which of the customer's invoices.")


class ContactQuery(Body):
    """Which page of the contacts."""

    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class ContactOut(Answer):
    """A call or a note."""

    model_config = example(**_CONTACT)

    contact_id: Uuid
    customer_id: Uuid
    invoice_id: Uuid | None
    invoice_number: str | None
    kind: Kind
    outcome: Outcome | None
    note: str
    next_on: Date | None
    created_by: str
    created_at: Instant
    correlation_id: str


class ContactPage(Answer):
    """Some contacts, newest first."""

    items: list[ContactOut]
    next_cursor: str | None


def _sort(value: str) -> str:
    if value.removeprefix("-") not in SORTS:
        raise PydanticCustomError("invalid", "must be one of the columns it can be sorted by")
    return value


def _place(value: str) -> str:
    if len(value) > LENGTH_MAX or not value.isascii():
        raise PydanticCustomError("invalid", "is not a cursor of this list")
    return value


_SORT_PATTERN = f"^-?({'|'.join(sorted(SORTS))})$"


class WorklistQuery(Body):
    """Which part of the worklist, and in which order."""

    sort: Annotated[
        str,
        PlainValidator(_sort),
        WithJsonSchema({"type": "string", "pattern": _SORT_PATTERN, "default": DEFAULT_SORT}),
    ] = Field(default=DEFAULT_SORT, description="With a minus before it: from its end.")
    reason: WorklistReason | None = None
    q: Annotated[str, one_line(200)] | None = Field(
        default=None, description="Part of the customer's name, e-mail or external reference."
    )
    limit: Limit = LIMIT_DEFAULT
    cursor: (
        Annotated[
            str,
            PlainValidator(_place),
            WithJsonSchema(
                {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": LENGTH_MAX}
            ),
        ]
        | None
    ) = Field(default=None, description="`next_cursor` of the page before, same order.")


class WorklistRowOut(Answer):
    """Whom to call, about how much in one currency, and why: the weightiest reason first."""

    customer_id: Uuid
    customer_name: str
    phone: str | None
    email: str | None
    currency_code: str
    overdue_amount: Money
    held_amount: Money = Field(
        description="What of it is disputed, promised or paused, and makes no reason."
    )
    open_amount: Money
    invoice_count: int = Field(description="Overdue invoices.")
    days_late: int = Field(description="Of the oldest.")
    reasons: list[WorklistReason]
    broken_promise_on: Date | None = Field(description="For when payment was promised.")
    last_contact: ContactOut | None
    last_reminded_on: Date | None
    next_on: Date | None


class ReasonCounts(Answer):
    """How many rows there are for each reason; a row counts for each of its own."""

    broken_promise: int
    follow_up: int
    unreachable: int
    plan_exhausted: int
    no_plan: int
    high_value: int
    long_overdue: int


class WorklistOut(Answer):
    """A page of the worklist. The counts are of all that `q` finds, whatever the `reason`.

    Who is snoozed would be on it, had the newest contact not put it off to a later day.
    """

    model_config = example(
        as_of="2026-04-06",
        items=[
            {
                "customer_id": _CONTACT["customer_id"],
                "customer_name": "Hilltop Apartments LLC",
                "phone": "+1 312 555 0142",
                "email": "ap@hilltop.example",
                "currency_code": "USD",
                "overdue_amount": "10002.30",
                "held_amount": "0.00",
                "open_amount": "12500.00",
                "invoice_count": 2,
                "days_late": 63,
                "reasons": ["follow_up", "long_overdue"],
                "broken_promise_on": None,
                "last_contact": _CONTACT,
                "last_reminded_on": "2026-03-30",
                "next_on": "2026-04-06",
            }
        ],
        next_cursor=None,
        total=1,
        snoozed=0,
        counts={one.value: int(one in (Reason.FOLLOW_UP, Reason.LONG_OVERDUE)) for one in Reason},
    )

    as_of: Date
    items: list[WorklistRowOut]
    next_cursor: str | None
    total: int
    snoozed: int
    counts: ReasonCounts
