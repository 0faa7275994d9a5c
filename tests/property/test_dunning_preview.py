"""The preview tells what the run then does, and both do what a plain model of the rules says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.actor import Actor
from backend.customers.models import CustomerHold
from backend.customers.service import CreateCustomer, create_customer, update_customer
from backend.db.engine import Database
from backend.dunning.evaluation import run_evaluation
from backend.dunning.holds import HoldCustomer, HoldInvoice, hold_customer, hold_invoice
from backend.dunning.plans import CreatePlan, StepInput, create_default_plan, create_plan
from backend.dunning.preview import PreviewView, preview_run
from backend.invoices.models import InvoiceHold
from backend.invoices.service import CreateInvoice, LineInput, create_invoice, send_invoice
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import UnitOfWork, read, run
from tests.factories import actor_in, make_tenant, raw_rows

BASE = date(2026, 3, 1)
PLANS = {"default": (0, 3, 7, 14), "own": (2, 4), "off": None}


@dataclass
class Payer:
    """A customer as drawn."""

    has_email: bool
    plan: str
    hold: CustomerHold | None
    until: int | None
    id: UUID | None = None
    reminded: set[date] = field(default_factory=set)


@dataclass
class Owed:
    """An invoice as drawn, and the model's memory of it: which step went out on which day."""

    payer: int
    due: int
    hold: InvoiceHold | None
    until: int | None
    id: UUID | None = None
    sent: dict[int, date] = field(default_factory=dict)


PAYERS = st.lists(
    st.builds(
        Payer,
        has_email=st.sampled_from([True, True, True, False]),
        plan=st.sampled_from(["default", "default", "own", "off"]),
        hold=st.none() | st.none() | st.sampled_from(list(CustomerHold)),
        until=st.none() | st.integers(0, 20),
    ),
    min_size=1,
    max_size=3,
)
INVOICES = st.lists(
    st.builds(
        Owed,
        payer=st.integers(0, 2),
        due=st.integers(-15, 10),
        hold=st.none() | st.none() | st.sampled_from(list(InvoiceHold)),
        until=st.none() | st.integers(0, 20),
    ),
    min_size=1,
    max_size=5,
)
# A day, and whether the run of that day keeps the gap.
RUNS = st.lists(st.tuples(st.integers(-2, 22), st.booleans()), min_size=1, max_size=6)


def day(offset: int) -> date:
    return BASE + timedelta(days=offset)


def lay_out(work: UnitOfWork, payers: list[Payer], invoices: list[Owed]) -> None:
    """Write what was drawn into the tenant."""
    create_default_plan(work)
    own = [StepInput(days, "last_call") for days in (2, 4)]
    plans = {
        "own": create_plan(work, CreatePlan("Own", own)).dunning_plan_id,
        "off": create_plan(work, CreatePlan("Off", own, is_active=False)).dunning_plan_id,
    }
    for number, payer in enumerate(payers):
        email = f"c{number}@example.com" if payer.has_email else None
        payer.id = create_customer(work, CreateCustomer(f"C{number}", email)).customer_id
        if payer.plan in plans:
            update_customer(work, payer.id, {"dunning_plan_id": plans[payer.plan]})
        if payer.hold is not None:
            until = None if payer.until is None else day(payer.until)
            hold_customer(work, payer.id, HoldCustomer(payer.hold, until))
    for owed in invoices:
        owed.payer %= len(payers)
        if owed.hold is InvoiceHold.PROMISE and owed.until is None:
            owed.until = 5
        payer_id = payers[owed.payer].id
        assert payer_id is not None
        line = [LineInput("Work", "1", "100.00")]
        due = day(owed.due)
        command = CreateInvoice(payer_id, line, issue_date=due, due_date=due)
        owed.id = send_invoice(work, create_invoice(work, command).invoice_id).invoice_id
        if owed.hold is not None:
            until = None if owed.until is None else day(owed.until)
            hold_invoice(work, owed.id, HoldInvoice(owed.hold, until, reason="Because"))


def expected_step(payer: Payer, owed: Owed, today: date, gap: int) -> int | None:
    """The rules of the product, one invoice at a time; None when it is not chased today."""
    if any(abs((one - today).days) < gap for one in payer.reminded):
        return None
    if payer.hold and (payer.until is None or day(payer.until) >= today):
        return None
    if owed.hold and (owed.until is None or day(owed.until) >= today):
        return None
    days = PLANS[payer.plan]
    if not payer.has_email or days is None or today in owed.sent.values():
        return None
    following = len(owed.sent) + 1
    if following > len(days) or (today - day(owed.due)).days < days[following - 1]:
        return None
    return following


def planned(preview: PreviewView) -> dict[UUID, int]:
    return {one.invoice_id: one.step_number for mail in preview.would_send for one in mail.invoices}


def notices(db: Database, actor: Actor) -> set[tuple[UUID, int, str]]:
    rows = raw_rows(
        db,
        "SELECT invoice_id, step_number, noticed_on FROM dunning_notices WHERE tenant_id = ?",
        actor.tenant_id.hex,
    )
    return {(UUID(invoice), step, noticed) for invoice, step, noticed in rows}


def e_mails(db: Database, actor: Actor) -> list[tuple[str, str]]:
    return raw_rows(
        db,
        "SELECT to_address, template_key FROM communications WHERE tenant_id = ? ORDER BY row_id",
        actor.tenant_id.hex,
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(payers=PAYERS, invoices=INVOICES, runs=RUNS, gap=st.integers(0, 5))
def test_preview_run_and_model_agree_invoice_by_invoice(
    db: Database,
    payers: list[Payer],
    invoices: list[Owed],
    runs: list[tuple[int, bool]],
    gap: int,
) -> None:
    actor = actor_in(make_tenant(db))
    run(db, actor, update_tenant, UpdateTenant(reminder_gap_days=gap))
    run(db, actor, lay_out, payers, invoices)
    for offset, keep_gap in runs:
        today = day(offset)
        due = {owed.id: owed for owed in invoices if owed.id and day(owed.due) < today}
        expected = {
            owed_id: step
            for owed_id, owed in due.items()
            if (step := expected_step(payers[owed.payer], owed, today, gap * keep_gap)) is not None
        }
        preview = read(db, actor, preview_run, today, keep_gap=keep_gap)
        assert planned(preview) == expected
        passed_over = [one.invoice_id for one in preview.not_chased]
        assert sorted(passed_over) == sorted(due.keys() - expected.keys())

        before, mails_before = notices(db, actor), e_mails(db, actor)
        done = run(db, actor, run_evaluation, as_of=today, keep_gap=keep_gap)
        skipped = Counter(one.reason.value for one in preview.not_chased)
        assert dict(done.skipped) == skipped
        assert (done.invoice_count, done.overdue_count) == (len(expected), len(due))
        new = notices(db, actor) - before
        assert new == {(i, step, today.isoformat()) for i, step in expected.items()}
        assert sorted(e_mails(db, actor)[len(mails_before) :]) == sorted(
            (mail.to_address, mail.template_key) for mail in preview.would_send
        )
        for owed_id, step in expected.items():
            due[owed_id].sent[step] = today
            payers[due[owed_id].payer].reminded.add(today)
        run(db, actor, run_evaluation, as_of=today, keep_gap=keep_gap)
        assert notices(db, actor) == before | new
