"""The rules of chasing in plain Python: no SQL, and nothing of the engine's own code.

A `Book` is one tenant. It is told what happens, and says who is to be reminded of what, by which
step, on which day, and what of it may still be handed over when its turn comes. Money is in cents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays


@dataclass
class Plan:
    """Templates by days after the due date."""

    steps: dict[int, str]
    is_active: bool = True


@dataclass
class Hold:
    """What keeps an invoice or a customer from being chased, through `until`."""

    kind: str
    until: date | None = None

    def stands(self, day: date) -> bool:
        return self.until is None or day <= self.until


@dataclass
class Promise:
    """A hold on record; only that of a promise can be kept or broken."""

    kind: str
    until: date | None
    amount: int | None
    balance_then: int
    ended: str | None = None


@dataclass
class Debt:
    """An invoice: what is open on it, and the steps that were taken (days: on which day)."""

    number: str
    debtor: Debtor
    due: date
    total: int
    moves: list[tuple[date, int]] = field(default_factory=list)
    hold: Hold | None = None
    is_void: bool = False
    taken: dict[int, date] = field(default_factory=dict)
    record: list[Promise] = field(default_factory=list)

    @property
    def balance(self) -> int:
        return self.total + sum(amount for _, amount in self.moves)

    def balance_on(self, day: date) -> int:
        """What was open at the end of a day."""
        return self.total + sum(amount for moved, amount in self.moves if moved <= day)

    @property
    def is_open(self) -> bool:
        return not self.is_void and self.balance > 0

    def is_held(self, day: date) -> bool:
        return self.hold is not None and self.hold.stands(day)

    def place(self, hold: Hold, amount: int | None = None) -> None:
        self._end("replaced")
        self.hold = hold
        self.record.append(Promise(hold.kind, hold.until, amount, self.balance))

    def release(self) -> None:
        self._end("released")
        self.hold = None

    def settle(self, today: date) -> None:
        """Decide the promise, if there is one that can be decided."""
        standing = self.record[-1] if self.record else None
        if standing is None or standing.ended or standing.kind != "promise":
            return
        assert standing.until is not None
        if self.is_void:
            standing.ended = "released"
            self.hold = None
            return
        is_over = today > standing.until
        left = self.balance_on(standing.until) if is_over else self.balance
        wanted = standing.balance_then if standing.amount is None else standing.amount
        if standing.balance_then - left >= wanted:
            standing.ended = "kept"
            self.hold = None
        elif is_over:
            standing.ended = "broken"

    def _end(self, how: str) -> None:
        if self.record and self.record[-1].ended is None:
            self.record[-1].ended = how


@dataclass
class Debtor:
    """A customer. `address_state` is ok, bounced or complained."""

    name: str
    address: str | None
    address_state: str = "ok"
    plan: str | None = None
    hold: Hold | None = None
    debts: list[Debt] = field(default_factory=list)
    reminders: list[Reminder] = field(default_factory=list)

    def had_reminder(self, day: date, gap: int, *, but: Reminder | None = None) -> bool:
        """Whether another reminder is too near to a day."""
        return any(
            one is not but and one.status != "failed" and abs((one.counts_on - day).days) < gap
            for one in self.reminders
        )


@dataclass
class Reminder:
    """One e-mail to one customer, with the steps that its invoices take."""

    debtor: Debtor
    day: date
    template: str
    steps: list[tuple[Debt, int]]
    is_scheduled: bool
    keeps_gap: bool
    counts_on: date
    status: str = "queued"


@dataclass
class Run:
    """What an evaluation does."""

    day: date
    reminders: list[Reminder]
    skipped: Counter[str]
    overdue: int


@dataclass
class Book:
    """A tenant."""

    name: str
    zone: str
    calendar: str
    weekdays: str
    opens: int  # minutes after midnight
    closes: int
    gap: int
    plans: dict[str, Plan]
    default_plan: str
    debtors: list[Debtor] = field(default_factory=list)
    started_on: set[date] = field(default_factory=set)

    def today(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.zone)).date()

    def is_open(self, now: datetime) -> bool:
        """Whether reminders may go out at this instant."""
        local = now.astimezone(ZoneInfo(self.zone))
        return self.works_on(local.date()) and (
            self.opens <= local.hour * 60 + local.minute < self.closes
        )

    def works_on(self, day: date) -> bool:
        is_workday = self.weekdays[day.weekday()] == "1"
        return is_workday and day not in _holidays(self.calendar, day.year)

    def debts(self) -> Iterator[Debt]:
        for debtor in self.debtors:
            yield from debtor.debts

    def start(self, now: datetime) -> bool:
        """Whether the clock starts a run now, as it does once a day."""
        today = self.today(now)
        if today in self.started_on or not self.is_open(now):
            return False
        self.started_on.add(today)
        return True

    def settle(self, now: datetime) -> None:
        for debt in self.debts():
            debt.settle(self.today(now))

    def evaluate(
        self, now: datetime, *, scheduled_on: date | None = None, keeps_gap: bool = True
    ) -> Run | None:
        """Let the invoices take their steps.

        None when the clock had started the run on a day that is over, or its window is closed.
        """
        day, is_scheduled = self.today(now), scheduled_on is not None
        if is_scheduled and not (scheduled_on == day and self.is_open(now)):
            return None
        run = Run(day, [], Counter(), 0)
        for debtor in self.debtors:
            steps: list[tuple[Debt, int]] = []
            for debt in debtor.debts:
                if not debt.is_open or debt.due >= day:
                    continue
                run.overdue += 1
                reason = self._why_not(debt, day, keeps_gap=keeps_gap)
                if reason is None:
                    following = self._following(debt)
                    assert following is not None
                    steps.append((debt, following))
                else:
                    run.skipped[reason] += 1
            if steps:
                run.reminders.append(self._remind(debtor, day, steps, is_scheduled, keeps_gap))
        return run

    def claim(self, reminder: Reminder, now: datetime) -> list[Debt]:
        """Whose invoices the e-mail names when it is handed over now; none: it is not.

        What no longer belongs in it has not happened: its step may be taken again.
        """
        if reminder.status != "queued":
            return []
        today, debtor = self.today(now), reminder.debtor
        is_off = (
            debtor.address is None
            or debtor.address_state != "ok"
            or (debtor.hold is not None and debtor.hold.stands(max(today, reminder.day)))
            or (reminder.is_scheduled and (today != reminder.day or not self.is_open(now)))
            or (
                reminder.keeps_gap
                and debtor.had_reminder(max(today, reminder.day), self.gap, but=reminder)
            )
        )
        wanted = []
        for debt, days in list(reminder.steps):
            if is_off or not debt.is_open or debt.is_held(max(today, reminder.day)):
                del debt.taken[days]
                reminder.steps.remove((debt, days))
            else:
                wanted.append(debt)
        if wanted:
            reminder.counts_on = max(today, reminder.day)
        else:
            reminder.status = "failed"
        return wanted

    def refuse(self, reminder: Reminder) -> None:
        """The mail server knows no such address: nobody was reminded of anything."""
        for debt, days in reminder.steps:
            del debt.taken[days]
        reminder.steps.clear()
        reminder.status = "failed"

    def _remind(
        self,
        debtor: Debtor,
        day: date,
        steps: list[tuple[Debt, int]],
        is_scheduled: bool,
        keeps_gap: bool,
    ) -> Reminder:
        furthest = max(days for _, days in steps)
        template = self._plan_of(debtor).steps[furthest]
        reminder = Reminder(debtor, day, template, steps, is_scheduled, keeps_gap, day)
        debtor.reminders.append(reminder)
        for debt, days in steps:
            debt.taken[days] = day
        return reminder

    def _plan_of(self, debtor: Debtor) -> Plan:
        return self.plans[debtor.plan or self.default_plan]

    def _following(self, debt: Debt) -> int | None:
        """The days of the next step."""
        last = max(debt.taken, default=-1)
        return min((days for days in self._plan_of(debt.debtor).steps if days > last), default=None)

    def _why_not(self, debt: Debt, day: date, *, keeps_gap: bool) -> str | None:
        debtor = debt.debtor
        if debtor.hold is not None and debtor.hold.stands(day):
            return {"exclude": "customer_excluded", "pause": "customer_paused"}[debtor.hold.kind]
        if debt.hold is not None and debt.hold.stands(day):
            return {"dispute": "disputed", "pause": "paused", "promise": "promised"}[debt.hold.kind]
        if debtor.address is None:
            return "no_email"
        if debtor.address_state != "ok":
            return f"email_{debtor.address_state}"
        if not self._plan_of(debtor).is_active:
            return "no_active_plan"
        following = self._following(debt)
        if following is None:
            return "steps_exhausted"
        if day in debt.taken.values():
            return "chased_that_day"
        if day < debt.due + timedelta(days=max(following, 1)):
            return "next_step_not_due"
        if keeps_gap and debtor.had_reminder(day, self.gap):
            return "customer_reminded_lately"
        return None


@lru_cache(maxsize=64)
def _holidays(calendar: str, year: int) -> frozenset[date]:
    if not calendar:
        return frozenset()
    country, _, part = calendar.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
