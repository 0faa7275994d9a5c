"""The contact log: calls and notes that stay as they were written."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.dunning.contacts import (
    NOTE_LENGTH_MAX,
    ContactView,
    LogContact,
    list_contacts,
    log_contact,
)
from backend.dunning.models import ContactKind, ContactOutcome
from backend.errors import InvalidInput, NotAllowed, NotFound
from backend.ids import new_id
from backend.unit_of_work import read, run
from tests.factories import Clock, actor_in, make_customer, make_invoice, raw_count, raw_rows

TODAY = date(2026, 3, 4)
CALL = LogContact(ContactKind.CALL, ContactOutcome.REACHED)


def logged(db: Database, actor: Actor, customer_id: UUID, command: LogContact) -> ContactView:
    return run(db, actor, log_contact, customer_id, command)


def test_a_call_is_kept_with_who_made_it_and_what_came_of_it(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    view = logged(
        db,
        actor,
        customer.customer_id,
        LogContact(
            ContactKind.CALL,
            ContactOutcome.LEFT_MESSAGE,
            "  Back on Monday.\nAsk for Ortiz. ",
            TODAY + timedelta(days=5),
            invoice.invoice_id,
        ),
    )
    assert view.note == "Back on Monday.\nAsk for Ortiz."
    assert (view.created_by, view.created_at) == ("test", clock.now)
    assert view.invoice_number == invoice.invoice_number
    assert view.correlation_id == actor.correlation_id
    assert read(db, actor, list_contacts, customer.customer_id).items == [view]


def test_it_is_in_the_audit_log_of_the_customer(db: Database, actor: Actor, customer: CustomerView):
    view = logged(db, actor, customer.customer_id, CALL)
    [(entity, entity_id, data)] = raw_rows(
        db, "SELECT entity_type, entity_id, data FROM audit_log WHERE action = 'contact.logged'"
    )
    assert (entity, entity_id) == ("customer", customer.customer_id.hex)
    assert json.loads(data) == {
        "before": None,
        "after": {"contact_id": str(view.contact_id), "kind": "call", "outcome": "reached"},
    }


def test_contacts_are_paged_newest_first(db: Database, actor: Actor, customer: CustomerView):
    other = make_customer(db, actor, "Other").customer_id
    made = []
    for number in range(5):
        note = LogContact(ContactKind.NOTE, note=f"Note {number}")
        made.append(logged(db, actor, customer.customer_id, note).contact_id)
        logged(db, actor, other, note)
    seen, cursor = [], None
    while True:
        page = read(db, actor, list_contacts, customer.customer_id, limit=2, cursor=cursor)
        seen += [one.contact_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]


def test_a_cursor_of_another_customers_contacts_is_none_of_this_list(
    db: Database, actor: Actor, customer: CustomerView
):
    other = make_customer(db, actor, "Other").customer_id
    for _ in range(2):
        logged(db, actor, other, CALL)
    cursor = read(db, actor, list_contacts, other, limit=1).next_cursor
    for wrong in (cursor, "x", "é" * 22):
        with pytest.raises(InvalidInput) as refusal:
            read(db, actor, list_contacts, customer.customer_id, cursor=wrong)
        assert refusal.value.errors[0].field == "cursor"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"kind": ContactKind.CALL}, {"outcome"}),
        ({"kind": ContactKind.NOTE}, {"note"}),
        ({"kind": ContactKind.NOTE, "note": " \n "}, {"note"}),
        (
            {"kind": ContactKind.NOTE, "outcome": ContactOutcome.REACHED},
            {"outcome", "note"},
        ),
        ({"kind": ContactKind.NOTE, "note": "a\x00b"}, {"note"}),
        ({"kind": ContactKind.NOTE, "note": "a" * (NOTE_LENGTH_MAX + 1)}, {"note"}),
        (
            {"kind": ContactKind.NOTE, "note": "x", "next_on": TODAY - timedelta(days=1)},
            {"next_on"},
        ),
        ({"kind": ContactKind.NOTE, "note": "x", "next_on": date.max}, {"next_on"}),
        ({"kind": ContactKind.NOTE, "note": "x", "invoice_id": new_id()}, {"invoice_id"}),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(
    db: Database, actor: Actor, customer: CustomerView, fields: dict[str, Any], wrong: set[str]
):
    with pytest.raises(InvalidInput) as refusal:
        logged(db, actor, customer.customer_id, LogContact(**fields))
    assert {error.field for error in refusal.value.errors} == wrong
    assert raw_count(db, "contact_log") == 0


def test_the_next_date_is_measured_by_the_tenants_calendar(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    clock.now = datetime.fromisoformat("2026-03-05T04:00:00+00:00")  # still the 4th in Chicago
    view = logged(
        db, actor, customer.customer_id, LogContact(ContactKind.NOTE, note="x", next_on=TODAY)
    )
    assert view.next_on == TODAY


def test_another_customers_invoice_is_refused(db: Database, actor: Actor, customer: CustomerView):
    other = make_customer(db, actor, "Other").customer_id
    invoice = make_invoice(db, actor, other)
    with pytest.raises(InvalidInput) as refusal:
        logged(
            db,
            actor,
            customer.customer_id,
            LogContact(ContactKind.NOTE, note="x", invoice_id=invoice.invoice_id),
        )
    assert refusal.value.errors[0].field == "invoice_id"


def test_a_customer_that_is_not_there(db: Database, actor: Actor):
    with pytest.raises(NotFound):
        logged(db, actor, new_id(), CALL)
    with pytest.raises(NotFound):
        read(db, actor, list_contacts, new_id())


def test_support_reads_and_does_not_log(db: Database, actor: Actor, customer: CustomerView):
    logged(db, actor, customer.customer_id, CALL)
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    assert len(read(db, support, list_contacts, customer.customer_id).items) == 1
    with pytest.raises(NotAllowed):
        logged(db, support, customer.customer_id, CALL)
