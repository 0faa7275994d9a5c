"""The worklist says what a plain model of its rules says, whatever the books look like."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.actor import Actor
from backend.customers.service import CreateCustomer, create_customer
from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.dunning.contacts import LogContact, log_contact
from backend.dunning.models import ContactKind
from backend.dunning.plans import CreatePlan, StepInput, create_plan
from backend.ids import new_id
from backend.invoices.drafts import CreateInvoice, create_invoice
from backend.invoices.service import LineInput, send_invoice
from backend.reporting.worklist import Reason, worklist
from backend.tenants.models import TENANTS
from backend.unit_of_work import UnitOfWork, read, run
from tests.factories import Clock, actor_in, make_tenant

TODAY = date(2026, 3, 4)
HIGH = Decimal("100.00")
LAST_STEP = {"default": 14, "own": 5, "off": None}

OFFSETS = st.sampled_from([-100, -61, -60, -3, -1, 0, 1, 9])
MAYBE_DAY = st.none() | st.integers(-2, 2)


@dataclass
class Owed:
    """An invoice as drawn: days from today to its due date, and what was agreed and sent."""

    due: int
    currency: str
    cents: int
    hold: str | None
    until: int | None
    sent: int | None
    past: list[str] = field(default_factory=list)


@dataclass
class Payer:
    """A customer as drawn, and its contacts by when to come back, oldest first."""

    email: str | None
    plan: str
    hold: str | None
    until: int | None
    contacts: list[int | None]
    invoices: list[Owed]
    id: UUID | None = None

    @property
    def name(self) -> str:
        return f"Payer {self.plan}"


OWED = st.builds(
    Owed,
    due=OFFSETS,
    currency=st.sampled_from(["USD", "USD", "EUR"]),
    cents=st.sampled_from([4000, 6000, 10000]),
    hold=st.none() | st.sampled_from(["pause", "dispute", "promise"]),
    until=MAYBE_DAY,
    sent=st.none() | st.sampled_from([0, 5, 14]),
    # How its earlier holds ended, oldest first.
    past=st.lists(st.sampled_from(["broken", "kept", "released"]), max_size=2),
)
PAYERS = st.lists(
    st.builds(
        Payer,
        email=st.sampled_from(["ok", "ok", "bounced", "complained", None]),
        plan=st.sampled_from(["default", "default", "own", "off"]),
        hold=st.none() | st.none() | st.sampled_from(["pause", "exclude"]),
        until=MAYBE_DAY,
        contacts=st.lists(st.none() | st.integers(-1, 2), max_size=2),
        invoices=st.lists(OWED, min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def stands(kind: str | None, until: int | None) -> bool:
    return kind is not None and (until is None or until >= 0)


def model(payers: list[Payer]) -> tuple[list[dict[str, Any]], int]:
    """The rows, and how many are snoozed: the rules, said once more."""
    rows, snoozed = [], 0
    for payer in payers:
        if stands(payer.hold, payer.until):
            continue
        by_currency: dict[str, list[Owed]] = defaultdict(list)
        for one in payer.invoices:
            by_currency[one.currency].append(one)
        for code, owed in by_currency.items():
            late = [one for one in owed if one.due < 0]
            if not late:
                continue
            free = [one for one in late if not stands(one.hold, one.until)]
            reasons = reasons_of(payer, code, owed, free)
            next_on = payer.contacts[-1] if payer.contacts else None
            if not reasons:
                continue
            if next_on is not None and next_on > 0:
                snoozed += 1
                continue
            rows.append(
                {
                    "customer_id": payer.id,
                    "currency_code": code,
                    "overdue_amount": amount(late),
                    "held_amount": amount(late) - amount(free),
                    "open_amount": amount(owed),
                    "invoice_count": len(late),
                    "days_late": -min(one.due for one in late),
                    "reasons": tuple(reason for reason in Reason if reason in reasons),
                    "next_on": None if next_on is None else TODAY + timedelta(days=next_on),
                    "name": payer.name,
                }
            )
    return rows, snoozed


def reasons_of(payer: Payer, code: str, owed: list[Owed], free: list[Owed]) -> set[Reason]:
    last = LAST_STEP[payer.plan]
    holds = {
        Reason.BROKEN_PROMISE: any(
            one.hold is None and one.past and one.past[-1] == "broken" for one in owed
        ),
        Reason.FOLLOW_UP: bool(payer.contacts)
        and payer.contacts[-1] is not None
        and payer.contacts[-1] <= 0,
        Reason.UNREACHABLE: bool(free) and payer.email != "ok",
        Reason.PLAN_EXHAUSTED: last is not None
        and any(one.sent is not None and one.sent >= last for one in free),
        Reason.NO_PLAN: bool(free) and last is None,
        Reason.HIGH_VALUE: code == "USD" and amount(free) >= HIGH,
        Reason.LONG_OVERDUE: any(one.due < -60 for one in free),
    }
    return {reason for reason, is_so in holds.items() if is_so}


def amount(owed: list[Owed]) -> Decimal:
    return Decimal(sum(one.cents for one in owed)).scaleb(-2)


def build(db: Database, actor: Actor, clock: Clock, payers: list[Payer]) -> None:
    """The books as drawn; what takes days to come about is written past the services."""
    statement = PlatformStatement(
        sa.update(TENANTS)
        .where(TENANTS.c.id == sa.bindparam("one"))
        .values(high_value_amount=sa.bindparam("amount"))
    )
    driver = sqlite3.connect(str(db.path), isolation_level=None)

    def plans(work: UnitOfWork) -> dict[str, UUID]:
        work.execute(statement, one=actor.tenant_id, amount=HIGH)
        steps = {"default": (0, 14), "own": (0, 5), "off": (0,)}
        return {
            name: create_plan(
                work,
                CreatePlan(
                    name,
                    [StepInput(days, "last_call") for days in of],
                    name == "default",
                    name != "off",
                ),
            ).dunning_plan_id
            for name, of in steps.items()
        }

    ids = run(db, actor, plans)
    for payer in payers:
        payer.id = run(
            db, actor, create_customer, CreateCustomer(payer.name, email="a@example.com")
        ).customer_id
        driver.execute(
            "UPDATE customers SET email = ?, email_status = ?, hold_kind = ?, hold_until = ?, "
            "dunning_plan_id = ? WHERE id = ?",
            (
                payer.email and "a@example.com",
                payer.email or "ok",
                payer.hold,
                day_text(payer.until) if payer.hold else None,
                None if payer.plan == "default" else ids[payer.plan].hex,
                payer.id.hex,
            ),
        )
        for one in payer.invoices:
            add_invoice(db, driver, actor, payer, one, ids[payer.plan])
        for next_on in payer.contacts:
            # Logged while that day was not over yet.
            clock.now = NOON - timedelta(days=max(0, -(next_on or 0)))
            day = None if next_on is None else TODAY + timedelta(days=next_on)
            note = LogContact(ContactKind.NOTE, note="x", next_on=day)
            run(db, actor, log_contact, payer.id, note)
            clock.now = NOON
    driver.close()


NOON = datetime.fromisoformat("2026-03-04T18:00:00+00:00")


def day_text(offset: int | None) -> str | None:
    return None if offset is None else str(TODAY + timedelta(days=offset))


def add_invoice(
    db: Database, driver: sqlite3.Connection, actor: Actor, payer: Payer, one: Owed, plan: UUID
) -> None:
    due = TODAY + timedelta(days=one.due)
    assert payer.id is not None
    command = CreateInvoice(
        payer.id,
        [LineInput("x", "1", amount([one]))],
        issue_date=min(due, TODAY),
        due_date=due,
        currency_code=one.currency,
    )

    def add(work: UnitOfWork) -> UUID:
        return send_invoice(work, create_invoice(work, command).invoice_id).invoice_id

    invoice_id = run(db, actor, add).hex
    tenant = actor.tenant_id.hex
    if one.sent is not None:
        driver.execute(
            "INSERT INTO invoice_dunning_states (tenant_id, id, invoice_id, plan_id, "
            "last_step_number, last_days_after_due, last_step_on, updated_at, version) "
            "VALUES (?, ?, ?, ?, 1, ?, '2026-03-01', 1, 1)",
            (tenant, new_id().hex, invoice_id, plan.hex, one.sent),
        )
    for end in one.past:
        kind = "pause" if end == "released" else "promise"
        add_hold(driver, (tenant, invoice_id), kind, "2026-03-01", end)
    if one.hold is not None:
        if one.until is None and one.hold == "promise":
            one.until = 0
        until = day_text(one.until)
        driver.execute(
            "UPDATE invoices SET hold_kind = ?, hold_until = ?, hold_reason = 'x' WHERE id = ?",
            (one.hold, until, invoice_id),
        )
        add_hold(driver, (tenant, invoice_id), one.hold, until, None)


def add_hold(
    driver: sqlite3.Connection, of: tuple[str, str], kind: str, until: str | None, end: str | None
) -> None:
    ended = ("2026-03-02", 1, end) if end else (None, None, None)
    driver.execute(
        "INSERT INTO invoice_holds (tenant_id, id, invoice_id, kind, until, balance_then, "
        "placed_on, placed_at, placed_by, ended_on, ended_at, ended_as) "
        "VALUES (?, ?, ?, ?, ?, 1, '2026-02-20', 1, 'x', ?, ?, ?)",
        (of[0], new_id().hex, of[1], kind, until, *ended),
    )


def key_of(sort: str) -> Callable[[dict[str, Any]], Any]:
    """What a row is sorted by, before customer and currency; contacts are of one instant here."""
    keys: dict[str, Callable[[dict[str, Any]], Any]] = {
        "priority": lambda row: (list(Reason).index(row["reasons"][0]), -row["overdue_amount"]),
        "amount": lambda row: row["overdue_amount"],
        "days_late": lambda row: row["days_late"],
        "name": lambda row: row["name"],
    }
    return lambda row: (keys[sort](row), row["customer_id"].hex, row["currency_code"])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    payers=PAYERS,
    reason=st.none() | st.none() | st.sampled_from(Reason),
    limit=st.integers(1, 3),
    sort=st.sampled_from(["priority", "-priority", "-amount", "days_late", "name"]),
)
def test_the_worklist_is_what_the_model_says(
    db: Database, clock: Clock, payers: list[Payer], reason: Reason | None, limit: int, sort: str
):
    clock.now = NOON
    actor = actor_in(make_tenant(db))
    build(db, actor, clock, payers)
    rows, snoozed = model(payers)
    wanted = [row for row in rows if reason is None or reason in row["reasons"]]
    found, cursor = [], None
    while True:
        page = read(db, actor, worklist, sort=sort, reason=reason, limit=limit, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    expected = sorted(wanted, key=key_of(sort.removeprefix("-")), reverse=sort.startswith("-"))
    assert [told(row) for row in found] == expected
    assert page.total == len(rows)
    assert page.snoozed == snoozed
    assert page.counts == {one: sum(one in row["reasons"] for row in rows) for one in Reason}


def told(row: Any) -> dict[str, Any]:
    names = (
        "customer_id", "currency_code", "overdue_amount", "held_amount", "open_amount",
        "invoice_count", "days_late", "reasons", "next_on",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names} | {"name": row.customer_name}
