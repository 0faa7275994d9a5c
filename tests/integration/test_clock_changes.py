"""Days of 23 and 25 hours, a 29 February, and two tenants a date line apart on one worker."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from backend.actor import Actor
from backend.communications.mailer import MailerUnavailable, OutgoingEmail, ProviderReceipt
from backend.db.engine import Database
from backend.dunning.holds import HoldInvoice, hold_invoice
from backend.dunning.plans import CreatePlan, StepInput, create_plan
from backend.invoices.models import InvoiceHold
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import run
from tests.emails import services_with
from tests.factories import Clock, actor_in, make_customer, make_invoice, make_tenant, raw_count
from worker.handlers.table import HANDLERS
from worker.process import Worker
from worker.scheduler import Scheduler

CHICAGO, AUCKLAND, HONOLULU = "America/Chicago", "Pacific/Auckland", "Pacific/Honolulu"
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)  # when Chicago's clocks change, Sundays


@dataclass
class Office:
    """One worker for everybody, and a mailer that keeps whose reminder it got when."""

    db: Database
    clock: Clock
    reminders: list[tuple[str, datetime]] = field(default_factory=list)
    mail_back_at: datetime | None = None
    keeps_contents: bool = False

    def __post_init__(self) -> None:
        services = services_with(self.db, self)
        self.scheduler = Scheduler(services, threading.Event())
        self.worker = Worker(services, HANDLERS)

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """See Mailer."""
        if self.mail_back_at is not None and self.clock.now < self.mail_back_at:
            raise MailerUnavailable("away")
        if email.subject.startswith("A reminder"):
            self.reminders.append((email.from_name, self.clock.now))
        return ProviderReceipt("taken")

    def open(self, zone: str, *, steps: tuple[int, ...] = (0,), **settings: Any) -> Actor:
        """A tenant with these steps that sends every day, unless told otherwise; named by zone."""
        actor = actor_in(make_tenant(self.db, zone, time_zone=zone))
        usual: dict[str, Any] = {
            "sending_weekdays": "1111111",
            "holiday_calendar": "",
            "reminder_gap_days": 0,
        }
        run(self.db, actor, update_tenant, UpdateTenant(**(usual | settings)))
        plan = [StepInput(days, "friendly_reminder") for days in steps]
        run(self.db, actor, create_plan, CreatePlan("Plan", plan, is_default=True))
        return actor

    def bill(self, actor: Actor, due: date) -> UUID:
        """A sent invoice of a new customer, due that day."""
        customer = make_customer(self.db, actor, email="payer@example.com").customer_id
        invoice = make_invoice(self.db, actor, customer, issue_date=due, due_date=due)
        return invoice.invoice_id

    def pass_until(self, end: datetime, *, minutes: int = 15) -> None:
        """Look every so many minutes until then."""
        while self.clock.now < end:
            self.scheduler.sweep()
            self.scheduler.settle()
            self.scheduler.start_dunning()
            self.worker.run_once()
            self.clock.pass_time(minutes=minutes)

    def times(self, zone: str) -> list[str]:
        """When the tenant's reminders went out, by its own clock."""
        return [
            at.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M %Z")
            for name, at in self.reminders
            if name == zone
        ]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a PDF shows is not in question here."""
    monkeypatch.setattr("backend.invoices.letters.render_invoice_pdf", lambda _document: b"%PDF-")


@pytest.fixture
def office(db: Database, clock: Clock) -> Office:
    return Office(db, clock)


def at(zone: str, *when: int) -> datetime:
    """An instant, given as the clock on the wall there shows it."""
    return datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("opens", "closes", "first"),
    [
        # Between 2 and 3 there is nothing on that day: the next day's run catches up.
        ((2, 0), (3, 0), "03-09 02:00 CDT"),
        ((2, 15), (2, 45), "03-09 02:15 CDT"),
        # What is left of the window is used.
        ((2, 30), (3, 30), "03-08 03:00 CDT"),
        ((1, 0), (3, 0), "03-08 01:00 CST"),
        ((0, 0), (24, 0), "03-08 00:00 CST"),
    ],
)
def test_a_window_in_the_hour_that_is_skipped(
    office: Office, opens: tuple[int, int], closes: tuple[int, int], first: str
):
    actor = office.open(
        CHICAGO,
        sending_from_minute=opens[0] * 60 + opens[1],
        sending_until_minute=closes[0] * 60 + closes[1],
    )
    office.clock.now = at(CHICAGO, 2026, 3, 7, 23)
    office.bill(actor, SPRING - timedelta(days=1))
    office.pass_until(at(CHICAGO, 2026, 3, 9, 4))
    assert office.times(CHICAGO) == [first]


def test_a_window_in_the_hour_that_comes_twice_starts_one_run(office: Office):
    actor = office.open(CHICAGO, steps=(0, 1), sending_from_minute=60, sending_until_minute=120)
    office.clock.now = at(CHICAGO, 2026, 10, 31, 23)
    office.bill(actor, AUTUMN - timedelta(days=1))
    # What is billed between the two begins of that hour waits for the next day.
    office.pass_until(at(CHICAGO, 2026, 11, 1, 1, 45))
    office.bill(actor, AUTUMN - timedelta(days=1))
    office.pass_until(at(CHICAGO, 2026, 11, 2, 3))
    # 0 and 1 days after due are both due on the first overdue day, one on each day.
    assert office.times(CHICAGO) == ["11-01 01:00 CDT", "11-02 01:00 CST", "11-02 01:00 CST"]


def test_a_mail_server_that_is_back_in_the_second_of_two_equal_hours(office: Office):
    actor = office.open(CHICAGO, sending_from_minute=60, sending_until_minute=120)
    office.clock.now = at(CHICAGO, 2026, 10, 31, 23)
    office.bill(actor, AUTUMN - timedelta(days=1))
    office.mail_back_at = datetime(2026, 11, 1, 7, 10, tzinfo=UTC)
    office.pass_until(at(CHICAGO, 2026, 11, 1, 12))
    assert len(office.times(CHICAGO)) == 1
    assert office.times(CHICAGO)[0].endswith("CST")
    assert raw_count(office.db, "dunning_runs") == 1


@pytest.mark.parametrize(
    ("day", "hours"), [(SPRING, 23), (AUTUMN, 25)], ids=["23 hours", "25 hours"]
)
def test_a_promise_holds_through_a_day_of_another_length(office: Office, day: date, hours: int):
    actor = office.open(CHICAGO, sending_from_minute=0, sending_until_minute=1440)
    begins = at(CHICAGO, day.year, day.month, day.day)
    office.clock.now = begins
    invoice_id = office.bill(actor, day - timedelta(days=3))
    promise = HoldInvoice(InvoiceHold.PROMISE, day)
    run(office.db, actor, hold_invoice, invoice_id, promise)
    office.pass_until(begins + timedelta(hours=hours))
    assert office.times(CHICAGO) == []
    office.pass_until(begins + timedelta(hours=hours, minutes=1))
    following = day + timedelta(days=1)
    assert [time[:11] for time in office.times(CHICAGO)] == [f"{following:%m-%d} 00:00"]


@pytest.mark.parametrize("day", [SPRING, AUTUMN], ids=["23 hours", "25 hours"])
def test_steps_and_the_gap_count_days_and_not_hours(office: Office, day: date):
    actor = office.open(
        CHICAGO,
        steps=(1, 2, 3, 4),
        reminder_gap_days=2,
        sending_from_minute=540,
        sending_until_minute=600,
    )
    before = day - timedelta(days=1)
    office.clock.now = at(CHICAGO, before.year, before.month, before.day)
    office.bill(actor, before - timedelta(days=1))
    office.pass_until(office.clock.now + timedelta(days=5), minutes=60)
    assert [time[:11] for time in office.times(CHICAGO)] == [
        f"{before + timedelta(days=days):%m-%d} 09:00" for days in (0, 2, 4)
    ]


@pytest.mark.parametrize(
    ("due", "days", "first"),
    [
        (date(2028, 2, 28), 1, "02-29"),
        (date(2028, 2, 29), 0, "03-01"),
        (date(2028, 2, 29), 1, "03-01"),
        (date(2028, 2, 27), 3, "03-01"),
        # A year of 366 days, and the year in which it lies.
        (date(2027, 2, 28), 366, "02-29"),
        (date(2027, 3, 1), 366, "03-01"),
    ],
)
def test_steps_around_a_29th_of_february(office: Office, due: date, days: int, first: str):
    actor = office.open(CHICAGO, steps=(days,))
    office.clock.now = at(CHICAGO, 2028, 2, 27, 20)
    office.bill(actor, due)
    office.pass_until(at(CHICAGO, 2028, 3, 3), minutes=120)
    assert [time[:5] for time in office.times(CHICAGO)] == [first]


def test_a_promise_until_a_29th_of_february_holds_through_it(office: Office):
    actor = office.open(CHICAGO)
    office.clock.now = at(CHICAGO, 2028, 2, 27, 20)
    invoice_id = office.bill(actor, date(2028, 2, 20))
    promise = HoldInvoice(InvoiceHold.PROMISE, date(2028, 2, 29))
    run(office.db, actor, hold_invoice, invoice_id, promise)
    office.pass_until(at(CHICAGO, 2028, 3, 3), minutes=120)
    assert [time[:5] for time in office.times(CHICAGO)] == ["03-01"]


def test_auckland_and_honolulu_on_one_worker(office: Office):
    days = (1, 2, 3, 4, 5)
    hours: dict[str, Any] = {"sending_from_minute": 540, "sending_until_minute": 660}
    auckland, honolulu = (
        office.open(
            zone, steps=days, sending_weekdays="1111100", holiday_calendar=calendar, **hours
        )
        for zone, calendar in ((AUCKLAND, "NZ"), (HONOLULU, "US-HI"))
    )
    # Tuesday 3 February; Friday is Waitangi Day in New Zealand, and no holiday in Hawaii.
    office.clock.now = datetime(2026, 2, 3, 0, 30, tzinfo=UTC)
    office.bill(auckland, date(2026, 2, 2))
    office.bill(honolulu, date(2026, 2, 2))
    office.pass_until(datetime(2026, 2, 11, tzinfo=UTC), minutes=30)
    # Each on its own Tuesday, then on every day on which it works; what was missed follows.
    assert office.times(AUCKLAND) == [
        "02-04 09:00 NZDT",
        "02-05 09:00 NZDT",
        "02-09 09:00 NZDT",
        "02-10 09:00 NZDT",
        "02-11 09:00 NZDT",
    ]
    assert office.times(HONOLULU) == [f"02-{day:02} 09:00 HST" for day in (3, 4, 5, 6, 9)]


def test_one_instant_is_three_days_around_the_date_line(office: Office):
    zones = ("Pacific/Kiritimati", "Pacific/Auckland", "Pacific/Pago_Pago")
    all_day: dict[str, Any] = {"sending_from_minute": 0, "sending_until_minute": 1440}
    actors = [office.open(zone, **all_day) for zone in zones]
    # The 4th has begun in Kiritimati only, and in Pago Pago it is still the 2nd.
    office.clock.now = datetime(2026, 3, 3, 10, 30, tzinfo=UTC)
    for due in (date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)):
        for actor in actors:
            office.bill(actor, due)
    office.pass_until(datetime(2026, 3, 3, 10, 45, tzinfo=UTC))
    assert [len(office.times(zone)) for zone in zones] == [3, 2, 1]
