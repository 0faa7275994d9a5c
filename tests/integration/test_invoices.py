"""Invoices: drafted, changed, sent with a number, voided, cancelled, overdue, listed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from backend.actor import Actor, Role
from backend.customers.queries import CustomerView
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed, NotFound, StateConflict
from backend.ids import new_id
from backend.invoices.models import InvoiceStatus
from backend.invoices.overdue import sweep_overdue, tenants_to_sweep
from backend.invoices.queries import get_invoice
from backend.invoices.service import (
    CreateInvoice,
    LineInput,
    cancel_invoice,
    create_invoice,
    send_invoice,
    update_invoice,
    void_invoice,
)
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import read, run
from tests.factories import (
    Clock,
    actor_in,
    invoice_now,
    make_customer,
    make_draft,
    make_invoice,
    make_tenant,
    pay,
    raw_count,
    raw_rows,
)

LINES = [LineInput("Tear-off", "2", "150.00", "8.25"), LineInput("Disposal", "0.5", "99.99")]


def postings(db: Database) -> list[tuple[str, str, int]]:
    """Kind, account and hundredths of every posting, in order."""
    return raw_rows(
        db,
        "SELECT e.kind, p.account, p.amount FROM ledger_postings p "
        "JOIN ledger_entries e ON e.id = p.entry_id ORDER BY p.row_id",
    )


def actions(db: Database) -> list[str]:
    return [row[0] for row in raw_rows(db, "SELECT action FROM audit_log ORDER BY row_id")]


def test_a_draft_has_its_amounts_but_no_number_and_owes_nothing(
    db: Database, actor: Actor, customer: CustomerView
):
    draft = run(db, actor, create_invoice, CreateInvoice(customer.customer_id, LINES))
    assert (draft.status, draft.invoice_number) == (InvoiceStatus.DRAFT, None)
    assert [str(line.line_total) for line in draft.line_items] == ["300.00", "50.00"]
    assert (str(draft.subtotal_amount), str(draft.tax_amount)) == ("350.00", "24.75")
    assert (str(draft.total_amount), str(draft.balance_due)) == ("374.75", "0.00")
    assert raw_count(db, "ledger_entries") == 0


def test_what_is_left_out_of_a_draft_comes_from_tenant_and_customer(db: Database, clock: Clock):
    clock.now = datetime(2026, 3, 5, 3, 0, tzinfo=UTC)  # still the 4th in Denver
    actor = actor_in(make_tenant(db, currency_code="CAD", time_zone="America/Denver"))
    customer = make_customer(db, actor, payment_terms_days=10)
    draft = make_draft(db, actor, customer.customer_id)
    assert draft.currency_code == "CAD"
    assert (draft.issue_date, draft.due_date) == (date(2026, 3, 4), date(2026, 3, 14))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("customer_id", {"customer_id": new_id()}),
        ("line_items", {"line_items": []}),
        ("line_items", {"line_items": [LineInput("x", 1, 1)] * 501}),
        ("line_items.0.quantity", {"line_items": [LineInput("x", 0, 1)]}),
        ("currency_code", {"currency_code": "KWD"}),
        ("currency_code", {"currency_code": "XYZ"}),
        ("line_items.0.unit_price", {"currency_code": "JPY"}),
        ("tax_amount", {"tax_amount": "1.00"}),
        ("due_date", {"issue_date": date(2026, 3, 4), "due_date": date(2026, 3, 3)}),
        ("issue_date", {"issue_date": date(1969, 12, 31)}),
        ("due_date", {"issue_date": date(2999, 12, 31)}),
        ("notes", {"notes": "x" * 4001}),
        ("purchase_order_number", {"purchase_order_number": "x" * 101}),
        ("external_reference_id", {"external_reference_id": "a\nb"}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_draft_is_refused_and_nothing_is_written(
    db: Database, actor: Actor, customer: CustomerView, field: str, changes: dict[str, Any]
):
    lines = [LineInput("Flashing", "1", "10.50", "5")]
    command = CreateInvoice(**{"customer_id": customer.customer_id, "line_items": lines, **changes})
    before = raw_count(db, "audit_log")
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, create_invoice, command)
    assert refusal.value.errors[0].field == field
    assert raw_count(db, "invoices") == raw_count(db, "invoice_line_items") == 0
    assert raw_count(db, "audit_log") == before


def test_a_draft_can_be_changed_and_its_lines_replaced(
    db: Database, actor: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id, notes="Call first")
    changed = run(
        db,
        actor,
        update_invoice,
        draft.invoice_id,
        {"line_items": LINES, "due_date": date(2026, 5, 1), "purchase_order_number": "PO 7"},
    )
    assert (str(changed.total_amount), len(changed.line_items)) == ("374.75", 2)
    assert (changed.due_date, changed.purchase_order_number) == (date(2026, 5, 1), "PO 7")
    assert (changed.notes, changed.version) == ("Call first", 2)
    assert raw_count(db, "invoice_line_items") == 2


def test_a_given_tax_amount_stays_given_until_it_is_taken_away(
    db: Database, actor: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id, "100.00", tax_amount="7.00")
    lines = [LineInput("Gutters", "1", "50.00")]
    kept = run(db, actor, update_invoice, draft.invoice_id, {"line_items": lines})
    assert (str(kept.tax_amount), str(kept.total_amount)) == ("7.00", "57.00")
    with pytest.raises(InvalidInput, match="tax_amount"):
        run(db, actor, update_invoice, draft.invoice_id, {"line_items": LINES})
    changes = {"line_items": LINES, "tax_amount": None}
    rated = run(db, actor, update_invoice, draft.invoice_id, changes)
    assert str(rated.tax_amount) == "24.75"


def test_a_refused_change_leaves_the_draft_with_its_lines(
    db: Database, actor: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id)
    for bad in (
        {"line_items": [LineInput("x", 0, 1)]},
        {"line_items": LINES, "due_date": date(2020, 1, 1)},
        {"line_items": LINES, "customer_id": new_id()},
        {"line_items": LINES, "currency_code": "JPY"},
    ):
        with pytest.raises(InvalidInput):
            run(db, actor, update_invoice, draft.invoice_id, bad)
    assert invoice_now(db, actor, draft.invoice_id) == draft


@pytest.mark.parametrize("end", ["sent", "overdue", "paid", "void", "cancelled"])
def test_only_a_draft_can_be_changed_or_sent(
    db: Database, actor: Actor, customer: CustomerView, end: str, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    match end:
        case "overdue":
            clock.pass_time(days=31)
            run(db, actor, sweep_overdue)
        case "paid":
            pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
        case "void":
            run(db, actor, void_invoice, invoice.invoice_id, "mistake")
        case "cancelled":
            run(db, actor, cancel_invoice, invoice.invoice_id, "called off")
    before = invoice_now(db, actor, invoice.invoice_id)
    assert before.status == end
    for use_case in (
        lambda: run(db, actor, update_invoice, invoice.invoice_id, {"notes": "x"}),
        lambda: run(db, actor, send_invoice, invoice.invoice_id),
    ):
        with pytest.raises(StateConflict) as refusal:
            use_case()
        assert refusal.value.code == "invoice_not_draft"
    assert invoice_now(db, actor, invoice.invoice_id) == before


def test_sending_gives_a_number_posts_the_ledger_and_asks_for_the_email(
    db: Database, actor: Actor, clock: Clock
):
    customer = make_customer(db, actor, "Elm Diner", email="a@b.co", billing_address="2 Elm St")
    draft = make_draft(db, actor, customer.customer_id, line_items=LINES)
    clock.pass_time(hours=2)
    sent = run(db, actor, send_invoice, draft.invoice_id)
    assert (sent.status, sent.invoice_number) == (InvoiceStatus.SENT, "INV-000001")
    assert (sent.sent_at, sent.posted_on) == (clock.now, date(2026, 3, 4))
    assert sent.balance_due == sent.total_amount == Decimal("374.75")
    assert (sent.bill_to_name, sent.bill_to_address) == ("Elm Diner", "2 Elm St")
    assert postings(db) == [
        ("invoice_issued", "accounts_receivable", 374_75),
        ("invoice_issued", "revenue", -350_00),
        ("invoice_issued", "sales_tax_payable", -24_75),
    ]
    assert raw_rows(db, "SELECT queue, message_type FROM outbox") == [
        ("email-send", "email.invoice_requested")
    ]


def test_a_customer_without_a_working_address_gets_no_email(
    db: Database, actor: Actor, customer: CustomerView
):
    bounced = make_customer(db, actor, email="gone@b.co")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE customers SET email_status = 'bounced'")
    for one in (customer, bounced):
        make_invoice(db, actor, one.customer_id)
    assert raw_count(db, "outbox") == 0


def test_a_sent_invoice_keeps_the_name_it_was_sent_to(
    db: Database, actor: Actor, customer: CustomerView
):
    invoice = make_invoice(db, actor, customer.customer_id)
    run(db, actor, update_customer, customer.customer_id, {"display_name": "Renamed"})
    assert invoice_now(db, actor, invoice.invoice_id).bill_to_name == customer.display_name


def test_an_invoice_dated_ahead_enters_the_ledger_on_that_day(
    db: Database, actor: Actor, customer: CustomerView
):
    ahead = make_invoice(db, actor, customer.customer_id, issue_date=date(2026, 4, 1))
    behind = make_invoice(db, actor, customer.customer_id, issue_date=date(2026, 1, 1))
    assert (ahead.posted_on, behind.posted_on) == (date(2026, 4, 1), date(2026, 3, 4))
    days = {row[0] for row in raw_rows(db, "SELECT entry_day FROM ledger_entries")}
    assert days == {"2026-04-01", "2026-03-04"}


def test_an_invoice_of_nothing_is_paid_when_it_is_sent(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, "0.00")
    assert (invoice.status, invoice.paid_at) == (InvoiceStatus.PAID, clock.now)
    assert invoice.invoice_number == "INV-000001"


def test_numbers_follow_each_other_and_a_refused_sending_takes_none(
    db: Database, actor: Actor, customer: CustomerView
):
    first = make_invoice(db, actor, customer.customer_id)
    with pytest.raises(StateConflict):
        run(db, actor, send_invoice, first.invoice_id)
    run(db, actor, void_invoice, first.invoice_id, "mistake")
    second = make_invoice(db, actor, customer.customer_id)
    assert (first.invoice_number, second.invoice_number) == ("INV-000001", "INV-000002")
    assert invoice_now(db, actor, first.invoice_id).invoice_number == "INV-000001"


def test_each_tenant_counts_for_itself_under_its_own_prefix(
    db: Database, actor: Actor, stranger: Actor, customer: CustomerView
):
    make_invoice(db, actor, customer.customer_id)
    run(db, stranger, update_tenant, UpdateTenant(invoice_number_prefix="NW-"))
    other = make_invoice(db, stranger, make_customer(db, stranger).customer_id)
    assert other.invoice_number == "NW-000001"


@pytest.mark.parametrize(
    ("use_case", "status", "kind"),
    [
        (void_invoice, InvoiceStatus.VOID, "invoice_voided"),
        (cancel_invoice, InvoiceStatus.CANCELLED, "invoice_cancelled"),
    ],
)
def test_ending_a_sent_invoice_reverses_its_issue_and_keeps_its_number(
    db: Database,
    actor: Actor,
    customer: CustomerView,
    clock: Clock,
    use_case: Any,
    status: str,
    kind: str,
):
    invoice = make_invoice(db, actor, customer.customer_id, line_items=LINES)
    clock.pass_time(days=2)
    ended = run(db, actor, use_case, invoice.invoice_id, " wrong customer ")
    assert (ended.status, ended.close_reason) == (status, "wrong customer")
    assert (ended.closed_at, str(ended.balance_due)) == (clock.now, "0.00")
    assert ended.invoice_number == invoice.invoice_number
    assert postings(db)[3:] == [
        (kind, "accounts_receivable", -374_75),
        (kind, "revenue", 350_00),
        (kind, "sales_tax_payable", 24_75),
    ]
    linked = raw_rows(
        db,
        "SELECT old.kind, new.entry_day FROM ledger_entries new "
        "JOIN ledger_entries old ON old.id = new.reverses_entry_id",
    )
    assert linked == [("invoice_issued", "2026-03-06")]


def test_a_voided_draft_leaves_no_trace_in_the_ledger(
    db: Database, actor: Actor, customer: CustomerView
):
    draft = make_draft(db, actor, customer.customer_id)
    ended = run(db, actor, void_invoice, draft.invoice_id, "not needed")
    assert (ended.status, ended.invoice_number) == (InvoiceStatus.VOID, None)
    assert raw_count(db, "ledger_entries") == 0


def test_a_draft_cannot_be_cancelled(db: Database, actor: Actor, customer: CustomerView):
    draft = make_draft(db, actor, customer.customer_id)
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, cancel_invoice, draft.invoice_id, "x")
    assert refusal.value.code == "illegal_transition"


@pytest.mark.parametrize("use_case", [void_invoice, cancel_invoice])
def test_an_invoice_with_a_payment_on_it_cannot_be_ended(
    db: Database, actor: Actor, customer: CustomerView, use_case: Any
):
    invoice = make_invoice(db, actor, customer.customer_id)
    pay(db, actor, "0.01", invoice_id=invoice.invoice_id)
    with pytest.raises(StateConflict) as refusal:
        run(db, actor, use_case, invoice.invoice_id, "x")
    assert refusal.value.code == "invoice_has_payments"
    pay(db, actor, "99.99", invoice_id=invoice.invoice_id)
    with pytest.raises(StateConflict):
        run(db, actor, use_case, invoice.invoice_id, "x")


@pytest.mark.parametrize("use_case", [void_invoice, cancel_invoice])
@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\x00"], ids=lambda r: repr(r)[:6])
def test_ending_an_invoice_needs_a_reason(
    db: Database, actor: Actor, customer: CustomerView, use_case: Any, reason: str
):
    invoice = make_invoice(db, actor, customer.customer_id)
    with pytest.raises(InvalidInput, match="reason"):
        run(db, actor, use_case, invoice.invoice_id, reason)


def test_finance_voids_drafts_and_only_an_admin_voids_what_was_sent(
    db: Database, actor: Actor, customer: CustomerView
):
    finance = actor_in(actor.tenant_id, Role.FINANCE)
    draft = make_draft(db, finance, customer.customer_id)
    run(db, finance, void_invoice, draft.invoice_id, "x")
    sent = make_invoice(db, finance, customer.customer_id)
    with pytest.raises(NotAllowed):
        run(db, finance, void_invoice, sent.invoice_id, "x")
    run(db, finance, cancel_invoice, sent.invoice_id, "x")


def test_support_moves_no_invoice(db: Database, actor: Actor, customer: CustomerView):
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    draft = make_draft(db, actor, customer.customer_id)
    assert read(db, support, get_invoice, draft.invoice_id) == draft
    use_case: Any
    for use_case, *arguments in (
        (create_invoice, CreateInvoice(customer.customer_id, LINES)),
        (update_invoice, draft.invoice_id, {"notes": "x"}),
        (send_invoice, draft.invoice_id),
        (void_invoice, draft.invoice_id, "x"),
        (cancel_invoice, draft.invoice_id, "x"),
    ):
        with pytest.raises(NotAllowed):
            run(db, support, use_case, *arguments)
    assert invoice_now(db, actor, draft.invoice_id) == draft


def test_a_draft_that_changed_since_it_was_seen_is_not_overwritten(
    db: Database, actor: Actor, customer: CustomerView
):
    seen = make_draft(db, actor, customer.customer_id)
    theirs = run(db, actor, update_invoice, seen.invoice_id, {"notes": "theirs"})
    with pytest.raises(StateConflict) as refused:
        run(
            db, actor, update_invoice, seen.invoice_id, {"notes": "mine"},
            seen_version=seen.version,
        )  # fmt: skip
    assert refused.value.code == "invoice_changed"
    assert invoice_now(db, actor, seen.invoice_id) == theirs
    mine = run(
        db, actor, update_invoice, seen.invoice_id, {"notes": "mine"}, seen_version=theirs.version
    )
    assert mine.notes == "mine"


def test_an_invoice_that_is_not_there_is_not_found(db: Database, actor: Actor):
    use_case: Any
    for use_case, *more in (
        (update_invoice, {"notes": "x"}),
        (send_invoice,),
        (void_invoice, "x"),
        (cancel_invoice, "x"),
    ):
        with pytest.raises(NotFound):
            run(db, actor, use_case, new_id(), *more)


def test_an_invoice_is_overdue_when_its_due_day_has_ended_for_the_tenant(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id, due_date=date(2026, 3, 10))
    draft = make_draft(db, actor, customer.customer_id, due_date=date(2026, 3, 10))
    clock.now = datetime(2026, 3, 11, 4, 59, 59, tzinfo=UTC)  # 23:59:59 on the 10th in Chicago
    assert run(db, actor, sweep_overdue) == 0
    clock.pass_time(seconds=1)
    assert run(db, actor, sweep_overdue) == 1
    assert run(db, actor, sweep_overdue) == 0
    assert invoice_now(db, actor, invoice.invoice_id).status is InvoiceStatus.OVERDUE
    assert invoice_now(db, actor, draft.invoice_id).status is InvoiceStatus.DRAFT
    assert actions(db).count("invoice.fell_overdue") == 1


def test_the_sweep_of_one_tenant_leaves_the_others_alone(
    db: Database, actor: Actor, stranger: Actor, customer: CustomerView, clock: Clock
):
    make_invoice(db, actor, customer.customer_id)
    other = make_invoice(db, stranger, make_customer(db, stranger).customer_id)
    clock.pass_time(days=40)
    assert set(read(db, actor, tenants_to_sweep)) == {actor.tenant_id, stranger.tenant_id}
    assert run(db, actor, sweep_overdue) == 1
    assert invoice_now(db, stranger, other.invoice_id).status is InvoiceStatus.SENT
    assert read(db, actor, tenants_to_sweep) == [stranger.tenant_id]


def test_a_paid_invoice_never_falls_overdue(
    db: Database, actor: Actor, customer: CustomerView, clock: Clock
):
    invoice = make_invoice(db, actor, customer.customer_id)
    pay(db, actor, "100.00", invoice_id=invoice.invoice_id)
    clock.now += timedelta(days=365)
    assert run(db, actor, sweep_overdue) == 0
