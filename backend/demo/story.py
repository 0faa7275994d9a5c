"""The timeline: from the plan of a business to events, each at its instant.

Whatever would come after the end of the story is left out, so an invoice that its customer pays
next week is simply open.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from random import Random
from zoneinfo import ZoneInfo

from backend.actor import PlatformActor
from backend.customers.models import CustomerHold
from backend.demo.billing import write_lines
from backend.demo.plan import EMAIL_DAYS, HISTORY_DAYS, Episode, Plan, PlannedCustomer, Trait
from backend.demo.shop import Bill, Client, How, Shop
from backend.demo.stage import Event
from backend.demo.words import CLOSINGS
from backend.dunning.service import HoldCustomer
from backend.payments.models import PaymentMethod

_SATURDAY = 5


class Script:
    """The events of one business, from its first day to the first instant of `today`."""

    def __init__(self, plan: Plan, shop: Shop, random: Random, today: date, order: count[int]):
        self.shop = shop
        self.random = random
        self.today = today
        self.clients = [Client(planned) for planned in plan.customers]
        self.events: list[Event] = []
        self._zone = ZoneInfo(plan.words.time_zone)
        self._end = self.at(today, 0)
        self._order = order
        self._statements: dict[int, list[Bill]] = {}
        self._checks = random.randint(2100, 7900)

    def day(self, ago: int) -> date:
        """The day so many days before today."""
        return self.today - timedelta(days=ago)

    def workday(self, day: date) -> date:
        """The day itself, or the Friday before a weekend."""
        return day - timedelta(days=max(0, day.weekday() - _SATURDAY + 1))

    def next_workday(self, day: date) -> date:
        """The day itself, or the Monday after a weekend."""
        return day + timedelta(days=(7 - day.weekday()) % 7 if day.weekday() >= _SATURDAY else 0)

    def at(self, day: date, hour: int, minute: int = 0) -> datetime:
        """An instant of a day, by the clocks of the business."""
        local = datetime.combine(day, time(hour, minute), tzinfo=self._zone)
        return local.astimezone(UTC)

    def some_time(self, day: date, first_hour: int, last_hour: int) -> datetime:
        """Any minute between two hours of a day."""
        minute = self.random.randrange((last_hour - first_hour) * 60)
        return self.at(day, first_hour + minute // 60, minute % 60)

    def add(self, at: datetime, do: Callable[[], object]) -> None:
        """Something happens, unless that would be after the end."""
        if at <= self._end:
            self.events.append(Event(at, next(self._order), do))

    def open(self, platform: PlatformActor) -> None:
        """The first morning: the tenant, its people, the customers it begins with."""
        first = self.day(HISTORY_DAYS)
        self.add(self.at(first, 8), lambda: self.shop.open(platform))
        for number, client in enumerate(self.clients):
            planned = client.planned
            at = self.at(first, 9, number // 20)
            if planned.since != HISTORY_DAYS:
                at = self.some_time(self.day(planned.since), 8, 12)
            by_email = planned.since < EMAIL_DAYS
            self.add(at, _welcoming(self.shop, client, by_email=by_email))
            if not by_email:
                asked = self.at(self.day(EMAIL_DAYS), 9, number // 10)
                self.add(asked, _asking(self.shop, client))
            if planned.trait is Trait.EXCLUDED:
                hold = HoldCustomer(CustomerHold.EXCLUDE, reason=self.shop.words.excluded)
                self.add(self.at(self.day(210), 11, 5), _holding(self.shop, client, hold))
            elif planned.trait is Trait.PAUSED:
                until = self.day(-12)
                hold = HoldCustomer(CustomerHold.PAUSE, until, self.shop.words.paused)
                self.add(self.at(self.day(9), 15, 40), _holding(self.shop, client, hold))

    def days(self) -> None:
        """What the scheduler does: every midnight the sweep, in the morning the reminders.

        The reminders begin with the e-mails: before them nobody could be reminded.
        """
        for ago in range(HISTORY_DAYS - 1, -1, -1):
            day = self.day(ago)
            self.add(self.at(day, 0), self.shop.sweep)
            if day.weekday() < _SATURDAY and ago < EMAIL_DAYS:
                self.add(self.at(day, 8), self.shop.chase)

    def bill(self, customer: int, *, issued: date, due: date | None = None) -> Bill:
        """An invoice for a customer, with lines of its own."""
        client, random = self.clients[customer], self.random
        terms = timedelta(days=client.planned.command.payment_terms_days)
        has_order = client.planned.is_company and random.random() < 0.4
        return Bill(
            client,
            write_lines(self.shop.words, random),
            issued,
            due or issued + terms,
            order_number=f"PO-{random.randint(3000, 9800)}" if has_order else None,
            notes=random.choice(CLOSINGS) if random.random() < 0.35 else None,
            by_app=self.shop.words.job_app is not None and random.random() < 0.75,
        )

    def bill_due(self, customer: int, due_ago: int) -> Bill:
        """An invoice that falls due on a given day."""
        due = self.day(due_ago)
        terms = self.clients[customer].planned.command.payment_terms_days
        return self.bill(customer, issued=self.workday(due - timedelta(days=terms)), due=due)

    def write(self, bill: Bill) -> datetime:
        """The invoice is drafted on its day; when."""
        at = self.some_time(bill.issued, 9, 14)
        self.add(at, lambda: self.shop.draft(bill))
        return at

    def issue(self, bill: Bill) -> None:
        """The invoice is drafted, and sent a little later on the same day."""
        at = self.write(bill) + timedelta(minutes=self.random.randint(4, 150))
        self.add(at, lambda: self.shop.send(bill))

    def check(self) -> How:
        """A check, with its number in the note."""
        self._checks += self.random.randint(1, 9)
        return How(PaymentMethod.MANUAL, f"Check {self._checks}")

    def means(self, trait: Trait) -> How:
        """How this customer pays this time."""
        reference = f"pay_{self.random.getrandbits(48):012x}"
        if trait is Trait.AUTOPAY:
            return How(PaymentMethod.AUTOPAY, external_id=reference)
        match self.random.choices(("check", "card", "transfer"), (50, 32, 18))[0]:
            case "check":
                return self.check()
            case "card":
                return How(PaymentMethod.EXTERNAL, external_id=reference)
            case _:
                return How(PaymentMethod.MANUAL, "Bank transfer")

    def ordinary(self, episode: Episode) -> None:
        """Written, sent, and paid as this customer pays: in time or late, at once or in parts."""
        [ago] = episode.days
        issued = self.workday(self.day(ago))
        client = self.clients[episode.customer]
        bill = self.bill(episode.customer, issued=issued)
        if ago <= 3 and self.random.random() < 0.5:
            self.write(bill)  # Not sent yet.
            return
        self.issue(bill)
        if client.planned.trait is Trait.STATEMENT:
            self._statements.setdefault(episode.customer, []).append(bill)
            return
        paid_on = self._pays_on(client.planned, bill)
        how = self.means(client.planned.trait)
        received = self._received(paid_on, bill, how)
        if client.planned.trait is not Trait.AUTOPAY and self.random.random() < 0.09:
            percent = self.random.choice((30, 40, 50, 60))
            self.add(self.some_time(paid_on, 10, 16), _paying(self.shop, bill, how, percent))
            paid_on = self.next_workday(paid_on + timedelta(days=self.random.randint(14, 30)))
            how, received = self.means(client.planned.trait), None
        self.add(self.some_time(paid_on, 10, 16), _paying(self.shop, bill, how, received=received))

    def statements(self) -> None:
        """On the tenth, the monthly payers pay with one check what was written before the first."""
        for bills in self._statements.values():
            month = self.day(HISTORY_DAYS).replace(day=1)
            while month <= self.today:
                month = (month + timedelta(days=32)).replace(day=1)
                old = [bill for bill in bills if bill.issued < month]
                if old:
                    day = self.workday(month.replace(day=10))
                    self.add(self.some_time(day, 10, 12), _settling(self.shop, old, self.check()))

    def _pays_on(self, planned: PlannedCustomer, bill: Bill) -> date:
        if planned.trait is Trait.AUTOPAY:
            return bill.due
        day = bill.due + timedelta(days=self.random.randint(*planned.pays))
        # Not on the day of the invoice itself, and nobody enters checks on weekends.
        return max(self.workday(day), self.next_workday(bill.issued + timedelta(days=1)))

    def _received(self, paid_on: date, bill: Bill, how: How) -> date | None:
        """Some checks lie a day or two before somebody enters them."""
        if how.method is not PaymentMethod.MANUAL or self.random.random() < 0.6:
            return None
        return max(bill.issued, paid_on - timedelta(days=self.random.randint(1, 2)))


def _welcoming(shop: Shop, client: Client, *, by_email: bool) -> Callable[[], None]:
    return lambda: shop.welcome(client, by_email=by_email)


def _asking(shop: Shop, client: Client) -> Callable[[], None]:
    return lambda: shop.begin_email(client)


def _holding(shop: Shop, client: Client, hold: HoldCustomer) -> Callable[[], None]:
    return lambda: shop.hold_client(client, hold)


def _settling(shop: Shop, bills: list[Bill], how: How) -> Callable[[], None]:
    return lambda: shop.pay_statement(bills, how)


def _paying(
    shop: Shop, bill: Bill, how: How, percent: int = 100, received: date | None = None
) -> Callable[[], object]:
    return lambda: shop.pay(bill, how, percent=percent, received=received)
