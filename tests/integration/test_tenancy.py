"""A tenant reaches nothing of another's: not a row, not a count, not even a different error."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

import backend.communications
import backend.customers
import backend.dunning
import backend.invoices
import backend.payments
import backend.reporting
import backend.support
import backend.webhooks
from backend.actor import Actor
from backend.communications.mailbox import MailboxMailer
from backend.communications.queries import (
    get_communication,
    list_communications,
)
from backend.communications.sending import Source, send_letter
from backend.customers.models import CustomerHold
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.dunning.contacts import LogContact, log_contact
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
)
from backend.dunning.models import ContactKind
from backend.dunning.plans import create_default_plan
from backend.errors import BillerJacketError, InvalidInput
from backend.invoices.drafts import update_invoice
from backend.invoices.letters import invoice_letter
from backend.invoices.models import InvoiceHold
from backend.invoices.overdue import sweep_overdue
from backend.messaging.embedded import EmbeddedTransport
from backend.paging import encode_cursor
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.service import RecordPayment, record_payment
from backend.support.acting import Matching, act_now, start_job
from backend.support.letters import LetterFilter
from backend.support.models import JobKind
from backend.tables import METADATA
from backend.unit_of_work import Reader, UnitOfWork, read, run
from backend.webhooks.endpoints import CreateEndpoint, create_endpoint
from backend.webhooks.ingest import read_delivery, store_delivery
from backend.webhooks.models import SignatureResult
from backend.webhooks.providers import PROVIDERS
from tests.factories import Clock, make_customer, make_draft, make_invoice, pay, raw_rows
from tests.integration.support.letters import bury, dunning, seen_by
from tests.reach import ATTEMPTS, BOX, INNER, NAMED_INSIDE, SECRET, WHOLE, Ids
from tests.webhooks import as_bytes, stripe_event


@pytest.fixture
def theirs(db: Database, stranger: Actor, clock: Clock) -> Ids:
    """Rows of every kind in the other tenant, some of them overdue and chased."""
    plan = run(db, stranger, create_default_plan)
    customer = make_customer(
        db,
        stranger,
        f"{SECRET} Clinic",
        email=f"{SECRET}@example.com",
        external_source=SECRET,
        external_reference_id=SECRET,
    )
    texts = {"external_reference_id": SECRET, "purchase_order_number": SECRET}
    sent = make_invoice(db, stranger, customer.customer_id, "77.77", **texts)
    draft = make_draft(db, stranger, customer.customer_id, "66.66", **texts)
    payment = pay(
        db,
        stranger,
        "33.33",
        customer_id=customer.customer_id,
        allocations=(AllocationInput(sent.invoice_id, "11.11"),),
    )
    # The one that asked for the invoice's e-mail.
    message = UUID(raw_rows(db, "SELECT message_id FROM outbox ORDER BY row_id")[0][0])
    send_letter(
        db,
        MailboxMailer(),
        stranger,
        Source(message_id=message),
        lambda reader: invoice_letter(reader, sent.invoice_id),
    )
    (one,) = read(db, stranger, list_communications).items
    detail = read(db, stranger, get_communication, one.communication_id)
    clock.pass_time(days=45)
    chased_by = run(db, stranger, run_evaluation).run_id
    assert chased_by is not None
    queued = read(db, stranger, list_communications).items[0]
    endpoint = run(db, stranger, create_endpoint, BOX, CreateEndpoint("stripe"))
    delivery = read_delivery(
        PROVIDERS["stripe"],
        as_bytes(stripe_event(SECRET, f"{SECRET}.created", {"name": SECRET})),
        {},
        SignatureResult.VERIFIED,
        endpoint.webhook_endpoint_id,
    )
    stored = run(db, stranger, store_delivery, delivery)
    run(db, stranger, hold_invoice, sent.invoice_id, HoldInvoice(InvoiceHold.PAUSE))
    run(db, stranger, hold_customer, customer.customer_id, HoldCustomer(CustomerHold.PAUSE))
    note = LogContact(ContactKind.NOTE, note=SECRET)
    run(db, stranger, log_contact, customer.customer_id, note)
    # Nobody is paused here, and no e-mail goes out: somebody has to call.
    annex = make_customer(db, stranger, f"{SECRET} Annex").customer_id
    late = {"issue_date": date(2026, 1, 1), "due_date": date(2026, 1, 31)}
    make_invoice(db, stranger, annex, "55.55", **late)
    return Ids(
        customer.customer_id,
        draft.invoice_id,
        sent.invoice_id,
        payment.payment_id,
        plan.dunning_plan_id,
        one.communication_id,
        queued.communication_id,
        detail.attachments[0].attachment_id,
        message,
        endpoint.webhook_endpoint_id,
        stored.webhook_event_id,
        chased_by,
        *_handled_letters(db, stranger),
    )


def _handled_letters(db: Database, owner: Actor) -> tuple[UUID, UUID]:
    """A job of theirs that is still open, and a message of theirs in the archive."""
    queues = EmbeddedTransport(db)
    bury(queues, dunning(owner.tenant_id, correlation_id=SECRET))
    (key,) = [one.key for one in seen_by(db, queues, owner)]
    archived = act_now(db, queues, owner, JobKind.DISCARD, key).archive_id
    assert archived is not None
    bury(queues, dunning(owner.tenant_id, correlation_id=SECRET))
    scope = Matching(LetterFilter())
    job = start_job(db, queues, owner, JobKind.RESUBMIT, scope, expected_count=1)
    return job.job_id, archived


@pytest.fixture
def mine(db: Database, actor: Actor) -> UUID:
    """A customer of the tenant that looks around, with an invoice and a credit of its own."""
    customer = make_customer(db, actor, "Own Customer")
    make_invoice(db, actor, customer.customer_id, "10.00")
    pay(db, actor, "5.00", customer_id=customer.customer_id, allocations=())
    return customer.customer_id


def outcome(db: Database, actor: Actor, call: Callable[[Any, Ids], Any], ids: Ids) -> str:
    """What the caller gets to see, with the ids it brought along taken out."""

    def use_case(work: UnitOfWork) -> Any:
        return call(work, ids)

    try:
        seen: Any = run(db, actor, use_case)
    except InvalidInput as error:
        seen = (error.code, error.errors)
    except BillerJacketError as error:
        seen = (type(error), error.code, error.detail, error.facts)
    text = repr(seen)
    for field in fields(ids):
        one: UUID = getattr(ids, field.name)
        for form in (str(one), one.hex, encode_cursor(one)):
            text = text.replace(form, field.name)
    return text


def rows_of(db: Database, tenant_id: UUID) -> dict[str, list[Any]]:
    """Every row of a tenant in every table."""
    with contextlib.closing(sqlite3.connect(str(db.path))) as connection:
        return {
            table.name: connection.execute(
                f"SELECT * FROM {table.name} WHERE tenant_id = ?", (tenant_id.hex,)
            ).fetchall()
            for table in METADATA.sorted_tables
            if "tenant_id" in table.c
        }


def by_id(function: Callable[..., Any]) -> Callable[[Any, Ids], Any]:
    attempt = ATTEMPTS[function]
    if isinstance(attempt, str):
        return lambda work, ids: function(work, getattr(ids, attempt))
    return attempt


@pytest.mark.parametrize("function", list(ATTEMPTS), ids=lambda one: one.__name__)
def test_another_tenants_id_is_like_an_id_of_nobody(
    db: Database, actor: Actor, stranger: Actor, theirs: Ids, mine: UUID, function: Any
):
    before = rows_of(db, stranger.tenant_id)
    seen = outcome(db, actor, by_id(function), theirs)
    assert seen == outcome(db, actor, by_id(function), Ids.of_nobody())
    assert SECRET not in seen
    assert rows_of(db, stranger.tenant_id) == before
    # And for their owner the same call is another matter: the comparison compares something.
    own = outcome(db, stranger, by_id(function), theirs)
    changed = rows_of(db, stranger.tenant_id) != before
    assert own != seen or changed


@pytest.mark.parametrize("call", NAMED_INSIDE.values(), ids=NAMED_INSIDE.keys())
def test_another_tenants_id_inside_a_request_is_like_an_id_of_nobody(
    db: Database, actor: Actor, stranger: Actor, theirs: Ids, mine: UUID, call: Any
):
    before = rows_of(db, stranger.tenant_id)
    seen = outcome(db, actor, call, theirs)
    assert seen == outcome(db, actor, call, Ids.of_nobody())
    assert SECRET not in seen
    assert rows_of(db, stranger.tenant_id) == before
    assert outcome(db, stranger, call, theirs) != seen


def test_their_ids_cannot_be_mixed_with_own_ones(
    db: Database, actor: Actor, stranger: Actor, theirs: Ids, mine: UUID
):
    credit = pay(db, actor, "50.00", customer_id=mine, allocations=())
    draft = make_draft(db, actor, mine)
    mixed: dict[str, Callable[[Any, Ids], Any]] = {
        "credit": lambda work, ids: allocate_credit(
            work, credit.payment_id, [AllocationInput(ids.sent, "1.00")]
        ),
        "allocations": lambda work, ids: record_payment(
            work,
            RecordPayment(
                "1.00", customer_id=mine, allocations=(AllocationInput(ids.sent, "1.00"),)
            ),
        ),
        "customer of draft": lambda work, ids: update_invoice(
            work, draft.invoice_id, {"customer_id": ids.customer}
        ),
        "plan of customer": lambda work, ids: update_customer(
            work, mine, {"dunning_plan_id": ids.plan}
        ),
    }
    before = rows_of(db, stranger.tenant_id)
    for name, call in mixed.items():
        seen = outcome(db, actor, call, theirs)
        assert "invalid_input" in seen, name
        assert seen == outcome(db, actor, call, Ids.of_nobody()), name
    assert rows_of(db, stranger.tenant_id) == before


@pytest.mark.parametrize("query", WHOLE.values(), ids=WHOLE.keys())
def test_what_others_have_changes_nothing_that_a_tenant_sees(
    db: Database,
    actor: Actor,
    stranger: Actor,
    mine: UUID,
    clock: Clock,
    query: Any,
    request: pytest.FixtureRequest,
):
    clock.pass_time(days=45)
    alone = repr(read(db, actor, query))
    clock.pass_time(days=-45)
    request.getfixturevalue("theirs")
    assert repr(read(db, actor, query)) == alone
    assert SECRET not in alone
    assert repr(read(db, stranger, query)) != alone


def test_work_on_a_whole_tenant_stays_inside_it(
    db: Database, actor: Actor, stranger: Actor, theirs: Ids, mine: UUID
):
    before = rows_of(db, stranger.tenant_id)
    run(db, actor, create_default_plan)
    run(db, actor, sweep_overdue)
    run(db, actor, run_evaluation)
    assert rows_of(db, stranger.tenant_id) == before


def test_the_database_itself_refuses_a_reference_across_tenants(
    db: Database, actor: Actor, theirs: Ids, mine: UUID
):
    statements = {
        f"UPDATE invoices SET customer_id = '{theirs.customer.hex}' WHERE tenant_id = ?",
        f"UPDATE payments SET customer_id = '{theirs.customer.hex}' WHERE tenant_id = ?",
        f"UPDATE customers SET dunning_plan_id = '{theirs.plan.hex}' WHERE tenant_id = ?",
        "INSERT INTO payment_allocations (tenant_id, id, payment_id, invoice_id, amount, "
        "created_at, reversed_amount) "
        f"SELECT tenant_id, id, id, '{theirs.sent.hex}', 1, 1, 0 FROM payments "
        "WHERE tenant_id = ?",
    }
    connection = db.connect().driver
    for statement in statements:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            connection.execute(statement, (actor.tenant_id.hex,))
    connection.close()


def test_every_function_that_takes_an_id_is_tried():
    tried = {function.__name__ for function in ATTEMPTS}
    assert set(functions_that_take_an_id()) - INNER == tried


def functions_that_take_an_id() -> Iterator[str]:
    rooms: list[ModuleType] = [
        backend.customers,
        backend.invoices,
        backend.payments,
        backend.dunning,
        backend.communications,
        backend.reporting,
        backend.support,
        backend.webhooks,
    ]
    takes_work = {Reader.__name__, UnitOfWork.__name__}
    for room in rooms:
        for found in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            for name, function in vars(module).items():
                ours = inspect.isfunction(function) and function.__module__ == module.__name__
                if ours and not name.startswith("_"):
                    kinds = [
                        str(p.annotation) for p in inspect.signature(function).parameters.values()
                    ]
                    if kinds and kinds[0] in takes_work and any("UUID" in kind for kind in kinds):
                        yield name
