"""Whatever is done in whatever order, the books agree with themselves and with plain arithmetic.

Providers tell of payments, failures, refunds and disputes too, in any order, some of them twice.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from backend.errors import BillerJacketError
from backend.payments.service import RecordPayment, record_payment
from backend.webhooks.effects import Effect, apply_event
from backend.webhooks.events import EventKind, ProviderEvent
from tests.property.machine import CUSTOMERS, ZONES, BooksMachine, money, part_of
from tests.property.model import Payment

_CHOICE = st.integers(0, 999)
_TENANT = st.integers(0, len(ZONES) - 1)
_DISPUTES = st.sampled_from(["dp_1", "dp_1", "dp_2"])
_TENTHS = st.sampled_from([1, 3, 5, 10, 10, 14])
_CURRENCIES = st.sampled_from(["same"] * 6 + [None, "EUR"])


class ProviderMachine(BooksMachine):
    """The same, with a provider that has told us much, and forgets what."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, ProviderEvent]] = []

    def hear(self, tenant: int, event: ProviderEvent) -> None:
        """Tell the service, and the model: both must come to the same."""
        kind, name, today = event.kind, event.external_payment_id, self.today(tenant)
        books = self.books[tenant]
        if kind is EventKind.PAYMENT_SUCCEEDED:
            self.hear_paid(tenant, event)
        elif kind is EventKind.PAYMENT_FAILED:
            wanted = books.hear_failed(name, event.occurred_at)
            assert self.outcome(tenant, event) == wanted
        else:
            key = event.dispute_id or ""
            amount = event.amount if event.dispute_id else event.refunded_total
            end = None
            if event.is_won is not None:
                end = (event.occurred_at, event.is_won)
            currency = event.currency_code
            if amount is not None and currency is None:
                payment = books.external.get(name)
                if payment is None:
                    assert self.outcome(tenant, event) == "invalid_input"
                    return
                currency = books.payments[payment].currency
                if currency == "JPY" and amount % 1:
                    assert self.outcome(tenant, event) == "invalid_input"
                    return
            cents = None if amount is None else int(amount * 100)
            wanted = books.hear_claim(name, key, today, currency, cents, end)
            assert self.outcome(tenant, event) == wanted

    def outcome(self, tenant: int, event: ProviderEvent) -> str:
        """What the service did, or the code with which it refused."""
        try:
            effect: Effect = self.do(tenant, apply_event, "stripe", event)
        except BillerJacketError as refusal:
            return refusal.code
        return effect.outcome

    def hear_paid(self, tenant: int, event: ProviderEvent) -> None:
        books, name, today = self.books[tenant], event.external_payment_id, self.today(tenant)
        if name in books.external:
            assert self.outcome(tenant, event) == "unchanged"
            return
        assert event.amount is not None
        cents = int(event.amount * 100)
        currency = event.currency_code or "USD"
        shares: dict[UUID, int] = {}
        is_elsewhere = False
        if event.invoice_id is not None:
            facts = books.invoices[event.invoice_id]
            customer = facts.customer
            currency = event.currency_code or facts.currency
            if currency == facts.currency and books.is_open(event.invoice_id):
                shares = {event.invoice_id: min(cents, books.balance(event.invoice_id))}
            else:
                is_elsewhere = True
        else:
            assert event.customer_id is not None
            customer = event.customer_id
            shares = books.choose(customer, currency, cents)
        effect: Effect = self.do(tenant, apply_event, "stripe", event)
        assert effect.payment_id is not None
        paid = Payment(customer, currency, cents, today)
        wanted = books.hear_paid(
            name, effect.payment_id, paid, shares, today, is_elsewhere=is_elsewhere
        )
        assert effect.outcome == wanted

    def new_name(self, tenant: int) -> str:
        """The provider's next payment; what is told of it before it comes waits for it."""
        return f"pi_{len(self.books[tenant].external) + 1}"

    def pick_name(self, tenant: int, choice: int) -> str:
        """One of the payments there are, or the next one."""
        names = [*self.books[tenant].external, self.new_name(tenant)]
        return names[choice % len(names)]

    def tell(self, tenant: int, event: ProviderEvent) -> None:
        self.told.append((tenant, event))
        self.hear(tenant, event)

    def about(
        self, tenant: int, name: str, tenths: int, currency: str | None
    ) -> tuple[Decimal, str | None]:
        """So many tenths of a payment, in its currency, another, or one left out."""
        books = self.books[tenant]
        payment = books.external.get(name)
        facts = None if payment is None else books.payments[payment]
        unit = 100 if facts is not None and facts.currency == "JPY" else 1
        amount = money(part_of(10_000 if facts is None else facts.amount, tenths, unit))
        if currency == "same":
            currency = "USD" if facts is None else facts.currency
        return amount, currency

    @precondition(BooksMachine.has_invoices)
    @rule(
        tenant=_TENANT,
        choice=_CHOICE,
        tenths=st.sampled_from([3, 10, 10, 10, 12]),
        to_customer=st.sampled_from([False, False, True]),
        any_state=st.sampled_from([False, False, True]),
        in_euros=st.sampled_from([False] * 9 + [True]),
        by_hand=st.sampled_from([False, False, False, True]),
    )
    def provider_takes_a_payment(
        self,
        tenant: int,
        choice: int,
        tenths: int,
        to_customer: bool,
        any_state: bool,
        in_euros: bool,
        by_hand: bool,
    ) -> None:
        self.take_payment(
            tenant,
            self.new_name(tenant),
            choice,
            tenths,
            to_customer=to_customer,
            any_state=any_state,
            in_euros=in_euros,
            by_hand=by_hand,
        )

    def take_payment(
        self,
        tenant: int,
        name: str,
        choice: int,
        tenths: int,
        *,
        to_customer: bool = False,
        any_state: bool = False,
        in_euros: bool = False,
        by_hand: bool = False,
    ) -> None:
        books = self.books[tenant]
        invoice = self.pick_invoice(tenant, choice, open_one=not any_state)
        facts = books.invoices[invoice]
        amount = money(part_of(books.balance(invoice), tenths, facts.unit))
        if by_hand:
            self.record_by_hand(tenant, name, choice, amount)
        event = ProviderEvent(
            EventKind.PAYMENT_SUCCEEDED,
            name,
            self.clock.now,
            amount=amount,
            currency_code="EUR" if in_euros else facts.currency,
            invoice_id=None if to_customer else invoice,
            customer_id=facts.customer if to_customer else None,
        )
        self.tell(tenant, event)

    def record_by_hand(self, tenant: int, name: str, choice: int, amount: Decimal) -> None:
        """The same payment, recorded by an operator or a program before the provider tells it."""
        books, today = self.books[tenant], self.today(tenant)
        customer = self.customers[tenant][choice % CUSTOMERS]
        shares = books.choose(customer, "USD", int(amount * 100))
        command = RecordPayment(
            amount,
            customer_id=customer,
            currency_code="USD",
            external_provider="stripe",
            external_payment_id=name,
        )
        made = self.do(tenant, record_payment, command)
        paid = Payment(customer, "USD", int(amount * 100), today)
        books.hear_paid(name, made.payment_id, paid, shares, today, is_elsewhere=False)
        assert int(made.refunded_amount * 100) == paid.taken("refund")

    @rule(tenant=_TENANT, choice=_CHOICE)
    def provider_fails(self, tenant: int, choice: int) -> None:
        name, now = self.pick_name(tenant, choice), self.clock.now
        event = ProviderEvent(EventKind.PAYMENT_FAILED, name, now, amount=Decimal("5.00"))
        self.tell(tenant, event)

    @precondition(BooksMachine.has_invoices)
    @rule(
        tenant=_TENANT,
        choice=_CHOICE,
        pays_now=st.booleans(),
        kinds=st.lists(st.sampled_from(["refund", "dispute", "close"]), min_size=1, max_size=4),
        dispute=_DISPUTES,
        tenths=st.lists(_TENTHS, min_size=4, max_size=4),
        currency=_CURRENCIES,
        is_won=st.sampled_from([True, True, False]),
        says_amount=st.booleans(),
        later=st.integers(-2, 2),
    )
    def provider_takes_back(
        self,
        tenant: int,
        choice: int,
        pays_now: bool,
        kinds: list[str],
        dispute: str,
        tenths: list[int],
        currency: str | None,
        is_won: bool,
        says_amount: bool,
        later: int,
    ) -> None:
        """A refund, a dispute, a dispute's end, up to four of them about one payment."""
        name, now = self.pick_name(tenant, choice), self.clock.now
        if pays_now:
            name = self.new_name(tenant)
            self.take_payment(tenant, name, choice, 10)
        for kind, part in zip(kinds, tenths, strict=False):
            amount, code = self.about(tenant, name, part, currency)
            if kind == "refund":
                event = ProviderEvent(
                    EventKind.PAYMENT_REFUNDED,
                    name,
                    now,
                    refunded_total=amount,
                    currency_code=code,
                )
            elif kind == "dispute":
                event = ProviderEvent(
                    EventKind.PAYMENT_DISPUTED,
                    name,
                    now,
                    amount=amount,
                    currency_code=code,
                    dispute_id=dispute,
                )
            else:
                event = ProviderEvent(
                    EventKind.DISPUTE_CLOSED,
                    name,
                    now + timedelta(hours=later),
                    amount=amount if says_amount else None,
                    currency_code=code if says_amount else None,
                    dispute_id=dispute,
                    is_won=is_won,
                )
            self.tell(tenant, event)

    @precondition(lambda self: bool(self.told))
    @rule(choice=_CHOICE)
    def provider_tells_again(self, choice: int) -> None:
        self.hear(*self.told[choice % len(self.told)])


def test_the_books_agree_after_every_step(migrated_file: Path):
    ProviderMachine.template = migrated_file
    run_state_machine_as_test(
        ProviderMachine,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            print_blob=True,
        ),
    )
