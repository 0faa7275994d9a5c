"""Chasing can be left alone: whatever happens, the right reminders go out on the right days.

Some tenants of several time zones, their customers, two workers that get every message twice,
outages, and a plain model of the rules that says beforehand what each run does and what of it is
still handed over. A longer story with more customers is told by setting BILLERJACKET_TEST_DAYS and
BILLERJACKET_TEST_CUSTOMERS, the whole year with 365 and 500 (and -o faulthandler_timeout=0, for it
takes longer than any other test may; --log-cli-level=INFO shows the counts).
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings

from backend.db.engine import Database
from backend.verification.service import verify_books
from tests.factories import Clock, raw_rows
from tests.property.collections_acts import happen, new_plans, settle_in
from tests.property.collections_model import Book
from tests.property.collections_story import STORIES, Event, Story, long_story
from tests.property.collections_world import HandOver, World

YEAR = (
    int(os.environ.get("BILLERJACKET_TEST_CUSTOMERS", "24")),
    int(os.environ.get("BILLERJACKET_TEST_DAYS", "28")),
)
EXAMPLES = 8
WORKDAYS, WITH_SATURDAY = "1111100", "1111110"


log = logging.getLogger(__name__)


def books() -> list[Book]:
    """From both sides of the date line: what is Monday for one is Sunday for the other."""
    plans, default = new_plans, "Standard"
    return [
        Book("Ridge", "America/Chicago", "US", WORKDAYS, 480, 1080, 3, plans(), default),
        Book("Kauri", "Pacific/Auckland", "NZ", WITH_SATURDAY, 540, 1020, 2, plans(), default),
        Book("Palm", "Pacific/Honolulu", "US-HI", WORKDAYS, 420, 720, 1, plans(), default),
    ]


@pytest.fixture(autouse=True)
def _cheap_and_quiet(monkeypatch: pytest.MonkeyPatch, logging_restored: None) -> None:
    """What a PDF shows is not in question here; nor is what so many messages log."""
    monkeypatch.setattr("backend.invoices.letters.render_invoice_pdf", lambda _document: b"%PDF-")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def tell(template: Path, story: Story, customers: int) -> World:
    """Let the story happen in a database of its own, and check all of it at the end."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(story.begins + timedelta(minutes=story.minute))
        path = shutil.copy(template, Path(folder) / "books.db")
        db = Database(f"sqlite:///{path}", clock=clock)
        world = World(db, clock, story.chance)
        try:
            tenants = books()
            for number, book in enumerate(tenants):
                settle_in(world, book, range(number, customers, len(tenants)))
            for day in story.days:
                pass_day(world, story.hours, day.events)
                for _ in range(day.quiet):
                    pass_day(world, story.hours, ())
            world.settle_everything()
            check_the_end(world)
        finally:
            world.close()
            db.close()
    return world


def pass_day(world: World, hours: int, events: tuple[Event, ...]) -> None:
    for hour in range(0, 24, hours):
        happening: list[Callable[[], object]] = [
            partial(happen, world, event) for event in events if hour <= event.hour < hour + hours
        ]
        world.look(happening)
        world.clock.pass_time(hours=hours)


def check_the_end(world: World) -> None:
    """Count what was handed over, and compare everything that is on record with the model."""
    steps = Counter(
        (id(debt), days) for one in world.handed_over for debt, days in one.reminder.steps
    )
    assert not [step for step, count in steps.items() if count > 1]
    handed_over: dict[int, list[HandOver]] = defaultdict(list)
    for one in world.handed_over:
        assert not one.reminder.is_scheduled or one.book.is_open(one.at)
        earlier = handed_over[id(one.reminder.debtor)]
        if one.reminder.keeps_gap:
            too_near = [other.day for other in earlier if (one.day - other.day).days < one.gap]
            assert not too_near, f"{one.reminder.debtor.name}: {too_near}, {one.day}"
        earlier.append(one)
    assert on_record(world) == foretold(world)
    assert holds_on_record(world) == holds_foretold(world)
    assert verify_books(world.db).findings == []


Steps = set[tuple[str, int, str]]


def on_record(world: World) -> dict[str, Steps]:
    """The steps of each invoice that stand in the database, by day, and how their e-mail stands."""
    found: dict[str, Steps] = defaultdict(set)
    for invoice, days, on, status in raw_rows(
        world.db,
        "SELECT n.invoice_id, n.days_after_due, n.noticed_on, c.status FROM dunning_notices n "
        "JOIN communications c ON c.tenant_id = n.tenant_id AND c.id = n.communication_id",
    ):
        found[invoice].add((on, days, status))
    return dict(found)


def foretold(world: World) -> dict[str, Steps]:
    """The same by the model."""
    wanted: dict[str, Steps] = defaultdict(set)
    for tenant in world.tenants.values():
        for debtor in tenant.book.debtors:
            for reminder in debtor.reminders:
                for debt, days in reminder.steps:
                    step = (reminder.day.isoformat(), days, reminder.status)
                    wanted[tenant.invoice_ids[debt.number].hex].add(step)
    return dict(wanted)


def holds_on_record(world: World) -> list[tuple[str, str, str | None]]:
    return sorted(
        raw_rows(world.db, "SELECT invoice_id, kind, ended_as FROM invoice_holds"), key=str
    )


def holds_foretold(world: World) -> list[tuple[str, str, str | None]]:
    return sorted(
        (
            (tenant.invoice_ids[debt.number].hex, one.kind, one.ended)
            for tenant in world.tenants.values()
            for debt in tenant.book.debts()
            for one in debt.record
        ),
        key=str,
    )


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(story=STORIES)
def test_whatever_happens_the_right_reminders_go_out_on_the_right_days(
    migrated_file: Path, story: Story
) -> None:
    tell(migrated_file, story, customers=3)


def test_a_year(migrated_file: Path) -> None:
    customers, days = YEAR
    world = tell(migrated_file, long_story(customers=customers, days=days, chance=5), customers)
    scheduled = [one for one in world.handed_over if one.reminder.is_scheduled]
    assert scheduled
    for kind, count in sorted(world.counts.items()):
        log.info("%8d %s", count, kind)
