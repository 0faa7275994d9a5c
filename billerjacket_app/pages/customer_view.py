"""What the page of one customer shows, as text; no Reflex in here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backend.communications.queries import CommunicationFilter, list_communications
from backend.customers.queries import get_customer
from backend.dunning.service import list_plans
from backend.invoices.queries import InvoiceFilter, list_invoices
from backend.payments.queries import PaymentFilter, list_payments
from backend.reporting.summary import get_billing_summary
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components import hold_form
from billerjacket_app.pages import customer_form, rows
from billerjacket_app.pages.emails import EmailRow, email_row
from billerjacket_app.pages.returned_mail import ReturnedFacts, returned_facts
from billerjacket_app.pages.rows import InvoiceRow, PaymentRow

# The newest of each; the full lists are one link away.
SHOWN_MAX = 10
PLANS_MAX = 100


@dataclass
class PlanChoice:
    """A plan that can be chosen for the customer."""

    value: str = ""
    label: str = ""


@dataclass
class CustomerFacts:
    """The customer as text."""

    customer_id: str = ""
    name: str = ""
    email: str = ""
    has_email: bool = False
    returned: ReturnedFacts = field(default_factory=ReturnedFacts)
    phone: str = ""
    address: str = ""
    terms: str = ""
    reference: str = ""
    hold: hold_form.HoldFacts = field(default_factory=hold_form.HoldFacts)
    plan_id: str = ""
    plan: str = ""
    plan_href: str = ""
    created: fmt.When = field(default_factory=fmt.When)
    today: str = ""
    currency_code: str = ""


@dataclass
class Owed:
    """What stands between us in one currency."""

    outstanding: str = ""
    open_amount: str = ""
    overdue: str = ""
    paid: str = ""
    credit: str = ""
    count: str = ""


@dataclass(frozen=True)
class CustomerPage:
    """All of the page."""

    facts: CustomerFacts
    typed: dict[str, str]
    plans: list[PlanChoice]
    owed: list[Owed]
    invoices: list[InvoiceRow]
    payments: list[PaymentRow]
    emails: list[EmailRow]


def load_customer(reader: Reader, customer_id: str) -> CustomerPage:
    """Everything about one customer, over one snapshot. Raises NotFound."""
    customer = get_customer(reader, rows.record_id(customer_id, "customer"))
    wanted = customer.customer_id
    invoices = list_invoices(reader, InvoiceFilter(customer_id=wanted), limit=SHOWN_MAX).items
    payments = list_payments(reader, PaymentFilter(customer_id=wanted), limit=SHOWN_MAX).items
    emails = list_communications(
        reader, CommunicationFilter(customer_id=wanted), limit=SHOWN_MAX
    ).items
    mixed = rows.mixed([i.currency_code for i in invoices] + [p.currency_code for p in payments])
    plans, standard = _plans(reader, customer.dunning_plan_id)
    chosen = next((plan for plan in plans if plan.value == str(customer.dunning_plan_id)), standard)
    return CustomerPage(
        facts=CustomerFacts(
            customer_id=str(wanted),
            name=customer.display_name,
            email=customer.email or fmt.NOTHING,
            has_email=customer.email is not None,
            returned=returned_facts(reader, customer),
            phone=customer.phone or fmt.NOTHING,
            address=customer.billing_address or fmt.NOTHING,
            terms=fmt.count(customer.payment_terms_days, "day"),
            reference=customer.external_reference_id or fmt.NOTHING,
            hold=hold_form.of_customer(customer, reader.today),
            plan_id=str(customer.dunning_plan_id or ""),
            plan=chosen.label,
            plan_href=routes.plan(chosen.value) if chosen.value else routes.DUNNING,
            created=fmt.when_exactly(customer.created_at, rows.zone_of(reader)),
            today=reader.today.isoformat(),
            currency_code=reader.tenant.currency_code,
        ),
        typed={
            name: "" if getattr(customer, name) is None else str(getattr(customer, name))
            for name in customer_form.FIELDS
        },
        plans=[PlanChoice("", f"The default plan: {standard.label}"), *plans],
        owed=_owed(reader, wanted),
        invoices=[rows.invoice_row(reader, item, with_code=mixed) for item in invoices],
        payments=[rows.payment_row(item, with_code=mixed) for item in payments],
        emails=[email_row(reader, item) for item in emails],
    )


def _plans(reader: Reader, own: Any) -> tuple[list[PlanChoice], PlanChoice]:
    """The plans that can be chosen, and the default one; the customer's own is among them."""
    found = list_plans(reader, limit=PLANS_MAX).items
    standard = PlanChoice("", "none")
    choices = []
    for plan in found:
        label = plan.name if plan.is_active else f"{plan.name} (not active: chases nobody)"
        choice = PlanChoice(str(plan.dunning_plan_id), label)
        if plan.is_active or plan.dunning_plan_id == own:
            choices.append(choice)
        if plan.is_default:
            standard = choice
    return choices, standard


def _owed(reader: Reader, customer_id: Any) -> list[Owed]:
    found = get_billing_summary(reader, customer_id=customer_id)
    mixed = len(found) > 1

    def text(amount: Any, code: str) -> str:
        return fmt.money(amount, code, with_code=mixed)

    return [
        Owed(
            outstanding=text(item.outstanding_amount, item.currency_code),
            open_amount=text(item.open_amount, item.currency_code),
            overdue=text(item.overdue_amount, item.currency_code),
            paid=text(item.paid_amount, item.currency_code),
            credit=text(item.unapplied_amount, item.currency_code),
            count=fmt.count(item.open_invoice_count, "open invoice"),
        )
        for item in found
    ]
