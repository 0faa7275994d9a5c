"""The worklist as text: rows, reasons, and the row to go on with."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from backend.dunning.contacts import ContactView
from backend.dunning.models import ContactKind, ContactOutcome
from backend.errors import InvalidInput
from backend.reporting.worklist import Reason, WorklistRow
from billerjacket_app.pages import worklist_forms, worklist_rows

ID = UUID(int=1)


def row(**changes: Any) -> WorklistRow:
    values: dict[str, Any] = {
        "customer_id": ID, "customer_name": "Harbor Dental", "phone": None, "email": "a@b.example",
        "currency_code": "USD", "overdue_amount": Decimal(300), "held_amount": Decimal(0),
        "open_amount": Decimal(300), "invoice_count": 2, "days_late": 12, "reasons": (),
        "broken_promise_on": None, "last_contact": None, "last_reminded_on": None, "next_on": None,
    }  # fmt: skip
    return WorklistRow(**values | changes)


def test_what_an_amount_is_made_of():
    assert worklist_rows.made_of(row()) == "2 invoices"
    parted = row(held_amount=Decimal(80), open_amount=Decimal(1200), invoice_count=1)
    assert worklist_rows.made_of(parted) == "1 invoice · $80.00 on hold · $1,200.00 open"


def test_a_reason_names_its_day_and_what_is_missing():
    broken = row(broken_promise_on=date(2026, 3, 4))
    assert (
        worklist_rows.reason_badge(broken, Reason.BROKEN_PROMISE).label
        == "Promise broken 2026-03-04"
    )
    assert (
        worklist_rows.reason_badge(row(email=None), Reason.UNREACHABLE).label == "No e-mail address"
    )
    assert worklist_rows.reason_badge(row(), Reason.UNREACHABLE).label == "No working e-mail"
    assert {worklist_rows.reason_badge(row(), reason).icon for reason in Reason}


@pytest.mark.parametrize(
    ("phone", "address"),
    [
        ("+1 (312) 555-0100", "tel:+13125550100"),
        ("030 / 12 34", "tel:0301234"),
        ("ask Jane", ""),
        (None, ""),
        ('+1"><script>2', "tel:+12"),
    ],
)
def test_a_phone_number_becomes_an_address_of_figures_alone(phone: str | None, address: str):
    assert worklist_rows.tel(phone) == address


def test_the_last_contact_is_told_by_what_came_of_it():
    contact = ContactView(
        ID, ID, None, None, ContactKind.CALL, ContactOutcome.NO_ANSWER, "", None, "Dana",
        datetime(2026, 3, 4, tzinfo=UTC), "c",
    )  # fmt: skip
    assert worklist_rows.contact_text(contact) == "No answer · Dana"
    assert worklist_rows.contact_text(None) == "Never"


@pytest.mark.parametrize(
    ("before", "done", "after", "following"),
    [
        (["a", "b", "c"], "b", ["a", "c"], "c"),
        (["a", "b", "c"], "b", ["b", "a", "c"], "c"),
        (["a", "b", "c"], "c", ["a", "b"], "b"),
        (["a", "b", "c"], "a", ["c"], "c"),
        (["a"], "a", [], "-"),
        (["a"], "a", ["a"], "a"),
    ],
)
def test_the_row_to_go_on_with(before: list[str], done: str, after: list[str], following: str):
    assert worklist_rows.next_row(before, done, after) == following


def test_reasons_that_nobody_has_are_no_tabs_but_the_chosen_one_is():
    query = {"reason": "no_plan", "q": "x", "sort": "", "cursor": "old"}
    tabs = worklist_rows.tabs_of({"follow_up": 3}, 4, query)
    assert [(tab.label, tab.count, tab.current) for tab in tabs] == [
        ("All", "4", False), ("Call back", "3", False), ("No plan", "0", True),
    ]  # fmt: skip
    assert tabs[1].href == "/dunning/worklist?reason=follow_up&q=x"


def test_a_promise_needs_its_day_and_a_call_its_outcome_is_one_of_ours():
    with pytest.raises(InvalidInput) as refused:
        worklist_forms.parse_promise({"until": " "})
    assert refused.value.errors[0].field == "until"
    with pytest.raises(InvalidInput):
        worklist_forms.parse_contact(ContactKind.CALL, {"outcome": "laughed"})
    note = worklist_forms.parse_contact(ContactKind.NOTE, {"outcome": "reached", "note": " hi "})
    assert (note.outcome, note.note) == (None, "hi")
