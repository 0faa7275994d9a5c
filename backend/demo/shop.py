"""A business at work: its people and its job app, and what they do, one use case each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from backend import onboarding
from backend.actor import Actor, PlatformActor, Role
from backend.customers.service import create_customer, update_customer
from backend.demo.plan import PlannedCustomer, Trait
from backend.demo.stage import Stage
from backend.demo.words import Words
from backend.dunning.contacts import LogContact, log_contact
from backend.dunning.models import ContactKind, ContactOutcome
from backend.dunning.promises import settle_promises
from backend.dunning.service import (
    CreatePlan,
    HoldCustomer,
    HoldInvoice,
    StepInput,
    create_plan,
    hold_customer,
    hold_invoice,
    request_evaluation,
)
from backend.identity.api_keys import CreateApiKey, NewApiKey, create_api_key, note_api_key_used
from backend.identity.users import CreateUser, create_user
from backend.ids import new_id
from backend.invoices.overdue import sweep_overdue
from backend.invoices.queries import get_invoice
from backend.invoices.service import (
    CreateInvoice,
    LineInput,
    cancel_invoice,
    create_invoice,
    send_invoice,
    void_invoice,
)
from backend.messaging.contracts import ApplyPayment
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.models import PaymentMethod
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, record_payment, try_payment
from backend.tenants.service import CreateTenant, UpdateTenant, update_tenant
from backend.unit_of_work import UnitOfWork, read, run

P = ParamSpec("P")
T = TypeVar("T")

JOB_SOURCE = "roof-jobs"
PROVIDER = "standard"


class Desk(StrEnum):
    """Who does something: one of the people, the job app, or the service itself."""

    ADMIN = "admin"
    FINANCE = "finance"
    SUPPORT = "support"
    JOB_APP = "job app"
    SCHEDULER = "scheduler"
    AUTOPAY = "autopay"


@dataclass(slots=True)
class Client:
    """A customer of the story; the id is known once it was created."""

    planned: PlannedCustomer
    customer_id: UUID | None = None

    @property
    def id(self) -> UUID:
        """The customer's id; the story creates it before it speaks of it."""
        assert self.customer_id is not None
        return self.customer_id


@dataclass(slots=True)
class Bill:
    """An invoice of the story; the id is known once it was drafted."""

    client: Client
    lines: list[LineInput]
    issued: date
    due: date
    order_number: str | None = None
    notes: str | None = None
    by_app: bool = False
    invoice_id: UUID | None = None

    @property
    def id(self) -> UUID:
        """The invoice's id; the story drafts it before it speaks of it."""
        assert self.invoice_id is not None
        return self.invoice_id


@dataclass(frozen=True, slots=True)
class How:
    """The way money comes, and what is noted about it."""

    method: PaymentMethod
    note: str | None = None
    external_id: str | None = None


@dataclass(slots=True)
class Receipt:
    """A payment of the story; the id is known once it was recorded."""

    payment_id: UUID | None = None

    @property
    def id(self) -> UUID:
        """The payment's id; the story records it before it speaks of it."""
        assert self.payment_id is not None
        return self.payment_id


class Shop:
    """One business. Its Admin, Finance and Support users take the next of `password_hashes`."""

    def __init__(self, stage: Stage, words: Words, password_hashes: Iterator[str]) -> None:
        self._stage = stage
        self._password_hashes = password_hashes
        self._people: dict[Desk, UUID] = {}
        self._jobs = 2040
        self._plan_id: UUID | None = None
        self.words = words
        self.tenant_id = UUID(int=0)
        self.key: NewApiKey | None = None

    def email(self, desk: Desk) -> str:
        """The address with which one of the people signs in."""
        return f"{desk}@{self.words.domain}"

    def open(self, platform: PlatformActor) -> None:
        """The platform makes the tenant and its people; its Admin sets it up."""
        words, db = self.words, self._stage.db
        command = CreateTenant(words.name, time_zone=words.time_zone)
        self.tenant_id = run(db, platform, onboarding.create_tenant, command)
        desks = (Desk.ADMIN, Desk.FINANCE, Desk.SUPPORT)
        for desk, name in zip(desks, words.people, strict=True):
            hashed = next(self._password_hashes)
            user = CreateUser(self.email(desk), Role(desk.value), self.tenant_id, hashed, name)
            self._people[desk] = run(db, platform, create_user, user)
        self._do(Desk.ADMIN, update_tenant, UpdateTenant(invoice_number_prefix=words.number_prefix))
        gentle = (
            StepInput(7, "friendly_reminder"),
            StepInput(21, "overdue_notice"),
            StepInput(35, "final_warning"),
        )
        plan = self._do(Desk.ADMIN, create_plan, CreatePlan("Monthly accounts", gentle))
        self._plan_id = plan.dunning_plan_id
        if words.job_app:
            self.key = self._do(Desk.ADMIN, create_api_key, CreateApiKey(words.job_app))

    def welcome(self, client: Client, *, by_email: bool) -> None:
        """A new customer, with its address when e-mail is in use already."""
        command = client.planned.command
        if not by_email:
            command = replace(command, email=None)
        desk = self._app_or(Desk.FINANCE)
        client.customer_id = self._do(desk, create_customer, command).customer_id
        if client.planned.trait is Trait.STATEMENT:
            self._change(client, {"dunning_plan_id": self._plan_id})

    def begin_email(self, client: Client) -> None:
        """Somebody asks the customer for its address and enters it."""
        self._change(client, {"email": client.planned.command.email})

    def draft(self, bill: Bill) -> None:
        """Write an invoice down, by hand or from a job of the job app."""
        self._jobs += 1
        command = CreateInvoice(
            bill.client.id,
            bill.lines,
            issue_date=bill.issued,
            due_date=bill.due,
            purchase_order_number=bill.order_number,
            notes=bill.notes,
            external_source=JOB_SOURCE if bill.by_app else None,
            external_reference_id=f"JOB-{self._jobs}" if bill.by_app else None,
        )
        desk = Desk.JOB_APP if bill.by_app else Desk.FINANCE
        bill.invoice_id = self._do(desk, create_invoice, command).invoice_id

    def send(self, bill: Bill) -> None:
        """Send it: it gets its number, and the customer an e-mail."""
        self._do(Desk.FINANCE, send_invoice, bill.id)

    def void(self, bill: Bill, reason: str) -> None:
        """Declare it never to have been."""
        self._do(Desk.ADMIN, void_invoice, bill.id, reason)

    def cancel(self, bill: Bill, reason: str) -> None:
        """Call it off."""
        self._do(Desk.FINANCE, cancel_invoice, bill.id, reason)

    def pay(
        self,
        bill: Bill,
        how: How,
        *,
        percent: int = 100,
        over: Decimal = Decimal(0),
        received: date | None = None,
    ) -> Receipt:
        """Money for one invoice: all of its balance, `percent` of it, or more by `over`."""
        balance = self.balance(bill)
        amount = balance + over
        if percent != 100:
            amount = (balance * percent / 100).quantize(Decimal(1), ROUND_DOWN) + Decimal("0.00")
        command = RecordPayment(
            amount,
            method=how.method,
            invoice_id=bill.id,
            keep_excess_as_credit=over > 0,
            external_provider=PROVIDER if how.external_id else None,
            external_payment_id=how.external_id,
            received_on=received,
            note=how.note,
        )
        desk = Desk.FINANCE
        if how.method is PaymentMethod.EXTERNAL:
            desk = self._app_or(Desk.FINANCE)
        elif how.method is PaymentMethod.AUTOPAY:
            desk = Desk.AUTOPAY
        return Receipt(self._do(desk, record_payment, command).payment_id)

    def pay_together(self, bills: list[Bill], how: How) -> None:
        """One check for several invoices, each named with its whole balance."""
        parts = tuple(AllocationInput(bill.id, self.balance(bill)) for bill in bills)
        amount = sum((Decimal(str(part.amount)) for part in parts), Decimal("0.00"))
        command = RecordPayment(
            amount,
            method=how.method,
            customer_id=bills[0].client.id,
            allocations=parts,
            note=how.note,
        )
        self._do(Desk.FINANCE, record_payment, command)

    def pay_statement(self, bills: list[Bill], how: How) -> None:
        """One check for all that is open of these; which is which is found automatically."""
        amount = sum((self.balance(bill) for bill in bills), Decimal("0.00"))
        if amount > 0:
            customer_id = bills[0].client.id
            command = RecordPayment(
                amount, method=how.method, customer_id=customer_id, note=how.note
            )
            self._do(Desk.FINANCE, record_payment, command)

    def pay_ahead(self, client: Client, amount: Decimal, how: How) -> None:
        """A deposit: all of it stays credit."""
        command = RecordPayment(
            amount, method=how.method, customer_id=client.id, allocations=(), note=how.note
        )
        self._do(Desk.FINANCE, record_payment, command)

    def pay_too_much(self, bill: Bill, how: How) -> None:
        """A slip of the pen, which the rules refuse; the attempt is kept."""
        amount = self.balance(bill) * 10
        command = RecordPayment(amount, method=how.method, invoice_id=bill.id, note=how.note)
        self._do(Desk.FINANCE, try_payment, command)

    def pay_again(self, bill: Bill, external_id: str) -> None:
        """The job app queues a payment of what was paid meanwhile: it will be refused."""
        total = read(self._stage.db, self._actor(Desk.FINANCE), get_invoice, bill.id).total_amount
        command: dict[str, object] = {
            "amount": str(total),
            "invoice_id": str(bill.id),
            "method": PaymentMethod.EXTERNAL.value,
            "external_provider": PROVIDER,
            "external_payment_id": external_id,
        }
        self._do(Desk.JOB_APP, _queue_payment, command)

    def apply_credit(self, receipt: Receipt, bill: Bill, amount: Decimal) -> None:
        """Use credit for an invoice."""
        self._do(Desk.FINANCE, allocate_credit, receipt.id, [AllocationInput(bill.id, amount)])

    def bounce(self, receipt: Receipt, reason: str) -> None:
        """The bank takes a payment back."""
        self._do(Desk.FINANCE, reverse_payment, receipt.id, reason)

    def hold(self, bill: Bill, command: HoldInvoice) -> None:
        """Do not chase an invoice."""
        self._do(Desk.FINANCE, hold_invoice, bill.id, command)

    def call(
        self,
        bill: Bill,
        outcome: ContactOutcome,
        note: str,
        next_on: date | None = None,
    ) -> None:
        """Call the customer about an invoice, and write down what came of it."""
        call = LogContact(ContactKind.CALL, outcome, note, next_on, bill.id)
        self._do(Desk.FINANCE, log_contact, bill.client.id, call)

    def hold_client(self, client: Client, command: HoldCustomer) -> None:
        """Do not chase a customer."""
        self._do(Desk.ADMIN, hold_customer, client.id, command)

    def sweep(self) -> None:
        """The scheduler marks what has fallen due, and settles what was promised."""
        self._do(Desk.SCHEDULER, sweep_overdue)
        self._do(Desk.SCHEDULER, settle_promises)

    def chase(self) -> None:
        """The scheduler asks for the day's evaluation."""
        self._do(Desk.SCHEDULER, request_evaluation, scheduled=True)

    def balance(self, bill: Bill) -> Decimal:
        """What is still open of an invoice."""
        actor = self._actor(Desk.FINANCE)
        return read(self._stage.db, actor, get_invoice, bill.id).balance_due

    def _change(self, client: Client, changes: dict[str, Any]) -> None:
        self._do(Desk.FINANCE, update_customer, client.id, changes)

    def _app_or(self, desk: Desk) -> Desk:
        return desk if self.key is None else Desk.JOB_APP

    def _do(
        self,
        desk: Desk,
        use_case: Callable[Concatenate[UnitOfWork, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        actor = self._actor(desk)
        if desk is Desk.JOB_APP and self.key is not None:
            run(self._stage.db, actor, note_api_key_used, self.key.id)
        return run(self._stage.db, actor, use_case, *args, **kwargs)

    def _actor(self, desk: Desk) -> Actor:
        correlation_id = new_id().hex
        match desk:
            case Desk.JOB_APP:
                who = f"api-key:{self.words.job_app}"
                return Actor(self.tenant_id, Role.ADMIN, who, correlation_id)
            case Desk.SCHEDULER | Desk.AUTOPAY:
                return Actor.system(self.tenant_id, correlation_id, who=desk.value)
            case person:
                return Actor(
                    self.tenant_id,
                    Role(person.value),
                    self.email(person),
                    correlation_id,
                    self._people[person],
                )


def _queue_payment(work: UnitOfWork, command: dict[str, object]) -> None:
    work.send(ApplyPayment(command=command))
