"""Every pair of invoice status and event, against the table a person wrote down."""

import pytest

from backend.errors import StateConflict
from backend.invoices.lifecycle import OPEN, InvoiceEvent, next_status
from backend.invoices.models import InvoiceStatus

# Rows: status. Columns: send, fall_due, settle, reopen, void, cancel. A dot is a refusal.
TABLE = """
draft      sent  .        .     .     void  .
sent       .     overdue  paid  .     void  cancelled
overdue    .     .        paid  .     void  cancelled
paid       .     .        .     sent  .     .
void       .     .        .     .     .     .
cancelled  .     .        .     .     .     .
"""
EVENTS = ["send", "fall_due", "settle", "reopen", "void", "cancel"]
PAIRS = [
    (row.split()[0], event, wanted)
    for row in TABLE.strip().splitlines()
    for event, wanted in zip(EVENTS, row.split()[1:], strict=True)
]


def test_the_table_covers_every_status_and_event():
    assert {event.value for event in InvoiceEvent} == set(EVENTS)
    assert {status.value for status in InvoiceStatus} == {row[0] for row in PAIRS}


@pytest.mark.parametrize(("status", "event", "wanted"), PAIRS)
def test_an_event_leads_exactly_where_the_table_says(status: str, event: str, wanted: str):
    before, happening = InvoiceStatus(status), InvoiceEvent(event)
    if wanted == ".":
        with pytest.raises(StateConflict) as refusal:
            next_status(before, happening)
        assert refusal.value.facts["status"] == before
    else:
        assert next_status(before, happening) is InvoiceStatus(wanted)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (InvoiceEvent.SEND, "invoice_not_draft"),
        (InvoiceEvent.SETTLE, "invoice_not_open"),
        (InvoiceEvent.VOID, "illegal_transition"),
        (InvoiceEvent.CANCEL, "illegal_transition"),
    ],
)
def test_a_refusal_says_in_its_code_what_was_tried(event: InvoiceEvent, code: str):
    with pytest.raises(StateConflict) as refusal:
        next_status(InvoiceStatus.CANCELLED, event)
    assert refusal.value.code == code


def test_sent_and_overdue_invoices_take_payments_and_no_others():
    assert {InvoiceStatus.SENT, InvoiceStatus.OVERDUE} == OPEN
