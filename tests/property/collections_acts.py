"""What happens in a story, done to the services and told to the model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from backend.communications.models import ReturnKind
from backend.communications.returns import clear_return, report_return
from backend.customers.models import CustomerHold
from backend.customers.service import CreateCustomer, create_customer, update_customer
from backend.dunning.holds import (
    HoldCustomer,
    HoldInvoice,
    hold_customer,
    hold_invoice,
    release_customer,
    release_invoice,
)
from backend.dunning.plans import CreatePlan, StepInput, create_plan, update_plan
from backend.dunning.service import request_evaluation
from backend.invoices.models import InvoiceHold
from backend.invoices.service import (
    CreateInvoice,
    LineInput,
    create_invoice,
    send_invoice,
    void_invoice,
)
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, record_payment
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import UnitOfWork, run
from tests.factories import actor_in, make_tenant
from tests.property.collections_model import Book, Debt, Debtor, Hold, Plan
from tests.property.collections_story import HOURS_AWAY_MAX, Event
from tests.property.collections_world import Tenant, World

TEMPLATES = ("friendly_reminder", "overdue_notice", "final_warning", "last_call")
# Among them the days of others, so that invoices under way have had some of the steps.
STEPS = ((0, 3, 7, 14), (1, 2, 5), (0, 1, 2, 3, 4), (3, 10), (2, 7, 9))
GAPS = (3, 0, 1, 5, 2)


def settle_in(world: World, book: Book, customers: range) -> None:
    """Set a tenant up as the book says, with customers of these numbers."""
    actor = actor_in(make_tenant(world.db, book.name, time_zone=book.zone))
    tenant = world.tenants[actor.tenant_id] = Tenant(book, actor)
    settings = UpdateTenant(
        sending_from_minute=book.opens,
        sending_until_minute=book.closes,
        sending_weekdays=book.weekdays,
        holiday_calendar=book.calendar,
        reminder_gap_days=book.gap,
    )
    run(world.db, actor, update_tenant, settings)
    for name, plan in book.plans.items():
        command = CreatePlan(name, _inputs(plan), is_default=name == book.default_plan)
        tenant.plan_ids[name] = run(world.db, actor, create_plan, command).dunning_plan_id
    for number in customers:
        debtor = Debtor(f"C{number}", f"c{number}@example.com")
        new = CreateCustomer(debtor.name, debtor.address)
        customer = run(world.db, actor, create_customer, new)
        tenant.customer_ids[debtor.name] = customer.customer_id
        book.debtors.append(debtor)


def happen(world: World, event: Event) -> None:
    """Let it happen now, as far as there is what it needs."""
    everybody = [(one, debtor) for one in world.tenants.values() for debtor in one.book.debtors]
    tenant, debtor = everybody[event.who % len(everybody)]
    world.counts[event.kind] += 1
    _ACTS[event.kind](Act(world, tenant, debtor, event))


class Act:
    """One event, and what it is about."""

    def __init__(self, world: World, tenant: Tenant, debtor: Debtor, event: Event) -> None:
        self.world, self.tenant, self.debtor, self.event = world, tenant, debtor, event
        self.book = tenant.book
        self.today = tenant.book.today(world.clock.now)
        self.customer_id = tenant.customer_ids[debtor.name]
        open_debts = [debt for debt in debtor.debts if debt.is_open]
        self.debt = open_debts[event.which % len(open_debts)] if open_debts else None

    def do(self, use_case: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return run(self.world.db, self.tenant.actor, use_case, *arguments, **named)

    def invoice_id(self, debt: Debt) -> UUID:
        return self.tenant.invoice_ids[debt.number]

    def bill(self) -> None:
        due = self.today + timedelta(days=self.event.days - 4)
        total = 10_000 * (1 + self.event.which)
        invoice = self.do(_bill, self.customer_id, total, due, min(self.today, due))
        debt = Debt(invoice.invoice_number, self.debtor, due, total)
        self.debtor.debts.append(debt)
        self.tenant.invoice_ids[debt.number] = invoice.invoice_id
        self.tenant.debts[invoice.invoice_id] = debt

    def pay(self) -> None:
        if self.debt is None:
            return
        part = self.debt.balance // 2 if self.event.days % 3 == 0 else self.debt.balance
        command = RecordPayment(_money(part), invoice_id=self.invoice_id(self.debt))
        payment = self.do(record_payment, command)
        self.debt.moves.append((self.today, -part))
        self.tenant.payments.append((payment.payment_id, self.debt, part))

    def reverse(self) -> None:
        payments = self.tenant.payments
        if payments:
            # Among the last ones.
            payment_id, debt, amount = payments.pop(-1 - self.event.which % min(4, len(payments)))
            self.do(reverse_payment, payment_id, "Came back")
            debt.moves.append((self.today, amount))

    def promise(self) -> None:
        if self.debt is None:
            return
        until = self.today + timedelta(days=self.event.days)
        amount = self.debt.balance // 2 if self.event.which % 2 else None
        self._hold(InvoiceHold.PROMISE, self.debt, Hold("promise", until), amount)

    def dispute(self) -> None:
        if self.debt is not None:
            self._hold(InvoiceHold.DISPUTE, self.debt, Hold("dispute"))

    def pause(self) -> None:
        if self.debt is not None:
            until = self.today + timedelta(days=self.event.days) if self.event.which else None
            self._hold(InvoiceHold.PAUSE, self.debt, Hold("pause", until))

    def release(self) -> None:
        held = [debt for debt in self.debtor.debts if debt.hold is not None and not debt.is_void]
        if held:
            debt = held[self.event.which % len(held)]
            self.do(release_invoice, self.invoice_id(debt))
            debt.release()

    def void(self) -> None:
        if self.debt is not None and not self.debt.moves:
            self.do(void_invoice, self.invoice_id(self.debt), "A mistake")
            self.debt.is_void = True

    def hold_customer(self) -> None:
        excluded = self.event.which == 3
        kind = CustomerHold.EXCLUDE if excluded else CustomerHold.PAUSE
        until = None if excluded else self.today + timedelta(days=self.event.days)
        self.do(hold_customer, self.customer_id, HoldCustomer(kind, until))
        self.debtor.hold = Hold(kind.value, until)

    def release_customer(self) -> None:
        self.do(release_customer, self.customer_id)
        self.debtor.hold = None

    def change_address(self) -> None:
        self.world.counts["addresses"] += 1
        address = f"{self.debtor.name.lower()}-{self.world.counts['addresses']}@example.com"
        self.do(update_customer, self.customer_id, {"email": address})
        self.debtor.address, self.debtor.address_state = address, "ok"

    def lose_address(self) -> None:
        if self.debtor.address is not None:
            self.do(update_customer, self.customer_id, {"email": None})
            self.debtor.address, self.debtor.address_state = None, "ok"

    def return_mail(self) -> None:
        if self.debtor.address is None:
            return
        kind = ReturnKind.COMPLAINED if self.event.which == 1 else ReturnKind.BOUNCED
        self.do(report_return, None, self.debtor.address, kind, "Not wanted", "test")
        # A complaint weighs more.
        if self.debtor.address_state != "complained":
            self.debtor.address_state = kind.value

    def welcome_mail(self) -> None:
        self.do(clear_return, self.customer_id)
        self.debtor.address_state = "ok"

    def refuse_mail(self) -> None:
        if self.debtor.address is not None:
            self.world.refused.add(self.debtor.address)

    def edit_plan(self) -> None:
        name = self._plan_name()
        plan = self.book.plans[name]
        days = STEPS[self.event.days % len(STEPS)]
        plan.steps = steps_of(days)
        self.do(update_plan, self.tenant.plan_ids[name], {"steps": _inputs(plan)})

    def switch_plan(self) -> None:
        name = self._plan_name()
        plan = self.book.plans[name]
        plan.is_active = self.event.days > 2
        self.do(update_plan, self.tenant.plan_ids[name], {"is_active": plan.is_active})

    def give_plan(self) -> None:
        name = self._plan_name()
        plan_id = self.tenant.plan_ids[name] if self.event.days % 2 else None
        self.do(update_customer, self.customer_id, {"dunning_plan_id": plan_id})
        self.debtor.plan = name if plan_id else None

    def change_gap(self) -> None:
        self.book.gap = GAPS[self.event.days % len(GAPS)]
        self.do(update_tenant, UpdateTenant(reminder_gap_days=self.book.gap))

    def run_now(self) -> None:
        self.do(request_evaluation, keep_gap=bool(self.event.which % 2))

    def workers_away(self) -> None:
        hours = HOURS_AWAY_MAX * (self.event.days + 1) // 10
        self.world.workers_back_at = self.world.clock.now + timedelta(hours=hours)

    def mail_away(self) -> None:
        hours = 3 * (self.event.days + 1)
        self.world.mail_back_at = self.world.clock.now + timedelta(hours=hours)

    def _hold(self, kind: InvoiceHold, debt: Debt, hold: Hold, amount: int | None = None) -> None:
        # Each hold is another one, if only by its reason.
        self.world.counts["holds"] += 1
        reason = f"Reason {self.world.counts['holds']}"
        money = None if amount is None else _money(amount)
        command = HoldInvoice(kind, hold.until, amount=money, reason=reason)
        self.do(hold_invoice, self.invoice_id(debt), command)
        debt.place(hold, amount)

    def _plan_name(self) -> str:
        names = list(self.book.plans)
        return names[self.event.which % len(names)]


_ACTS: dict[str, Callable[[Act], None]] = {
    name: act for name, act in vars(Act).items() if callable(act) and not name.startswith("_")
}


def steps_of(days: tuple[int, ...]) -> dict[int, str]:
    """Steps on these days, each with a template of its own as far as there are any."""
    return {day: TEMPLATES[number % len(TEMPLATES)] for number, day in enumerate(days)}


def new_plans() -> dict[str, Plan]:
    """Two plans, the first of them the default."""
    return {"Standard": Plan(steps_of(STEPS[0])), "Quick": Plan(steps_of(STEPS[1]))}


def _inputs(plan: Plan) -> list[StepInput]:
    return [StepInput(days, template) for days, template in plan.steps.items()]


def _bill(work: UnitOfWork, customer_id: UUID, total: int, due: Any, issued: Any) -> Any:
    lines = [LineInput("Work", "1", _money(total))]
    command = CreateInvoice(customer_id, lines, issue_date=issued, due_date=due)
    return send_invoice(work, create_invoice(work, command).invoice_id)


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
