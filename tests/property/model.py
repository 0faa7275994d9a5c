"""Books as a person would keep them: plain facts in integers, and sums over facts.

Nothing of the product is used but its words. Amounts are hundredths. What a service must do, or
refuse with which code, is said here once more in another way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from math import floor
from uuid import UUID

STEPS = (0, 3, 7, 14)  # days after the due date, of the default plan


def rounded(amount: Fraction, unit: int) -> int:
    """Half up to whole units (1 or 100 hundredths)."""
    return floor(amount / unit + Fraction(1, 2)) * unit


@dataclass
class Line:
    quantity: Fraction
    price: int
    rate: Fraction | None

    def total(self, unit: int) -> int:
        return rounded(self.quantity * self.price, unit)

    def tax(self, unit: int) -> int:
        return 0 if self.rate is None else rounded(self.total(unit) * self.rate / 100, unit)


@dataclass
class Part:
    """A part of a payment on an invoice, standing or undone; `giver` is a dispute, `taker` too.

    `order` and `undone_order` number what happened to parts.
    """

    payment: UUID
    invoice: UUID
    amount: int
    day: date
    order: int
    giver: str | None = None
    undone_on: date | None = None
    undone_order: int = 0
    taker: str | None = None


@dataclass
class Invoice:
    customer: UUID
    currency: str
    lines: list[Line]
    issue: date
    due: date
    number: str | None = None
    posted_on: date | None = None
    closed_on: date | None = None
    end: str | None = None  # void or cancelled
    swept: bool = False  # marked overdue since it was last open anew
    held: bool = False
    steps_sent: int = 0
    step_days: set[date] = field(default_factory=set)

    @property
    def unit(self) -> int:
        return 100 if self.currency == "JPY" else 1

    @property
    def subtotal(self) -> int:
        return sum(line.total(self.unit) for line in self.lines)

    @property
    def tax(self) -> int:
        return sum(line.tax(self.unit) for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal + self.tax


@dataclass
class Payment:
    customer: UUID
    currency: str
    amount: int
    received_on: date
    moves: list[tuple[date, int, str]] = field(default_factory=list)  # day, amount, why

    @property
    def left(self) -> int:
        return self.amount + sum(amount for _, amount, _ in self.moves)

    def taken(self, why: str) -> int:
        return -sum(amount for _, amount, kind in self.moves if kind == why)

    def day(self, today: date) -> date:
        """The day of what happens to its money now."""
        return max(today, self.received_on, *(day for day, _, _ in self.moves))


Sums = tuple[int, int, int, int, int, int]  # five buckets and the unapplied credit


@dataclass
class Books:
    """One tenant's books."""

    invoices: dict[UUID, Invoice] = field(default_factory=dict)
    payments: dict[UUID, Payment] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    numbers: int = 0
    happened: int = 0

    def paid(self, invoice: UUID) -> int:
        return sum(p.amount for p in self.parts if p.invoice == invoice and p.undone_on is None)

    def status(self, invoice: UUID) -> str:
        one = self.invoices[invoice]
        if one.end is not None:
            return one.end
        if one.number is None:
            return "draft"
        if self.paid(invoice) == one.total:
            return "paid"
        return "overdue" if one.swept else "sent"

    def is_open(self, invoice: UUID) -> bool:
        return self.status(invoice) in ("sent", "overdue")

    def balance(self, invoice: UUID) -> int:
        one = self.invoices[invoice]
        return one.total - self.paid(invoice) if self.is_open(invoice) else 0

    def unapplied(self, payment: UUID) -> int:
        return self.payments[payment].left - sum(part.amount for part in self.standing(payment))

    def standing(self, payment: UUID) -> list[Part]:
        return [p for p in self.parts if p.payment == payment and p.undone_on is None]

    # What happens.

    def send(self, invoice: UUID, today: date) -> None:
        one = self.invoices[invoice]
        self.numbers += 1
        one.number = f"INV-{self.numbers:06d}"
        one.posted_on = max(one.issue, today)

    def close(self, invoice: UUID, end: str, today: date) -> None:
        one = self.invoices[invoice]
        one.end = end
        if one.posted_on is not None:
            one.closed_on = max(today, one.posted_on)

    def apply(
        self, payment: UUID, shares: dict[UUID, int], today: date, giver: str | None = None
    ) -> None:
        for invoice, amount in shares.items():
            posted_on = self.invoices[invoice].posted_on
            assert posted_on is not None
            day = max(self.payments[payment].day(today), posted_on)
            self.happened += 1
            self.parts.append(Part(payment, invoice, amount, day, self.happened, giver))

    def pay(self, payment: UUID, facts: Payment, shares: dict[UUID, int]) -> None:
        self.payments[payment] = facts
        self.apply(payment, shares, facts.received_on)

    def take(
        self, payment: UUID, amount: int, why: str, today: date, taker: str | None = None
    ) -> None:
        """From what is not applied first, then from the newest parts."""
        one = self.payments[payment]
        missing = amount - self.unapplied(payment)
        for part in reversed(self.standing(payment)):
            if missing <= 0:
                break
            was_paid = self.status(part.invoice) == "paid"
            if part.amount > missing:
                # What stands of it keeps its place; what is undone is told apart.
                undone = replace(part, amount=missing)
                part.amount -= missing
                self.parts.append(undone)
                part = undone
            self.happened += 1
            part.undone_order, part.taker = self.happened, taker
            part.undone_on = max(today, part.day)
            missing -= part.amount
            invoice = self.invoices[part.invoice]
            if was_paid:
                invoice.swept = invoice.due < today
        one.moves.append((one.day(today), -amount, why))

    def sweep(self, today: date) -> int:
        fallen = [
            one
            for invoice, one in self.invoices.items()
            if self.status(invoice) == "sent" and one.due < today
        ]
        for one in fallen:
            one.swept = True
        return len(fallen)

    def chase(self, today: date) -> set[UUID]:
        """Which invoices take their next step today."""
        chased = set()
        for invoice, one in self.invoices.items():
            if not self.is_open(invoice) or one.due >= today or one.held:
                continue
            if one.steps_sent >= len(STEPS) or today in one.step_days:
                continue
            if today >= one.due + timedelta(days=max(1, STEPS[one.steps_sent])):
                one.steps_sent += 1
                one.step_days.add(today)
                chased.add(invoice)
        return chased

    # What is decided.

    def choose(self, customer: UUID, currency: str, amount: int) -> dict[UUID, int]:
        """An exact match, else the oldest due first."""
        mine = [
            invoice
            for invoice, one in self.invoices.items()
            if (one.customer, one.currency) == (customer, currency) and self.is_open(invoice)
        ]
        mine.sort(key=lambda invoice: self.invoices[invoice].due)  # the sort is stable
        for invoice in mine:
            if self.balance(invoice) == amount:
                return {invoice: amount}
        shares = {}
        for invoice in mine:
            part = min(amount, self.balance(invoice))
            if part:
                shares[invoice] = part
                amount -= part
        return shares

    def refusal_of(self, shares: dict[UUID, int], available: int, too_much: str) -> str | None:
        """The code with which given allocations are refused, if they are."""
        for invoice, amount in shares.items():
            if not self.is_open(invoice):
                return "invoice_not_open"
            if amount > self.balance(invoice):
                return "overpayment"
        return too_much if sum(shares.values()) > available else None

    # What is owed, from the facts alone.

    def aging(self, day: date) -> dict[tuple[str, UUID], Sums]:
        """Per currency and customer, as it stood at the end of a day, where there is anything."""
        owed: dict[UUID, int] = defaultdict(int)
        credit: dict[tuple[str, UUID], int] = defaultdict(int)
        for invoice, one in self.invoices.items():
            if one.posted_on is not None and one.posted_on <= day:
                owed[invoice] += one.total
            if one.closed_on is not None and one.closed_on <= day:
                owed[invoice] -= one.total
        for paid in self.payments.values():
            if paid.received_on <= day:
                credit[paid.currency, paid.customer] += paid.amount
            for moved_on, amount, _ in paid.moves:
                if moved_on <= day:
                    credit[paid.currency, paid.customer] += amount
        for part in self.parts:
            payment = self.payments[part.payment]
            for on, sign in ((part.day, 1), (part.undone_on, -1)):
                if on is not None and on <= day:
                    owed[part.invoice] -= sign * part.amount
                    credit[payment.currency, payment.customer] -= sign * part.amount
        sums: dict[tuple[str, UUID], list[int]] = defaultdict(lambda: [0] * 6)
        for invoice, amount in owed.items():
            one = self.invoices[invoice]
            late = (day - one.due).days
            bucket = 0 if late <= 0 else min((late - 1) // 30 + 1, 4)
            sums[one.currency, one.customer][bucket] += amount
        for key, amount in credit.items():
            sums[key][5] += amount
        return {
            key: (one[0], one[1], one[2], one[3], one[4], one[5])
            for key, one in sums.items()
            if any(one)
        }

    def kept_since(self, day: date, currency: str) -> int:
        """What was received from that day on and not given back."""
        return sum(
            paid.left
            for paid in self.payments.values()
            if paid.currency == currency and paid.received_on >= day
        )

    def summary(self, today: date) -> dict[str, tuple[int, int, int, int, int]]:
        """Per currency: open, overdue, paid, unapplied, and how many are open."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
        for invoice, one in self.invoices.items():
            mine = sums[one.currency]
            mine[0] += self.balance(invoice)
            mine[1] += self.balance(invoice) if one.due < today else 0
            mine[2] += self.paid(invoice)
            mine[4] += self.is_open(invoice)
        for payment, paid in self.payments.items():
            sums[paid.currency][3] += self.unapplied(payment)
        return {
            code: (one[0], one[1], one[2], one[3], one[4]) for code, one in sums.items() if any(one)
        }
