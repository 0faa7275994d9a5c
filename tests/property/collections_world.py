"""The services as they are, beside the model that says what they must do.

Two workers share the messages of all tenants, and each message is delivered twice: in any order,
at once, or one while the other is just handing its e-mail over. Nothing here waits: the clock is
moved, and where a queue would wait before it tries again, the message comes at the next look.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from backend.actor import Actor, platform_system
from backend.bootstrap import Services
from backend.communications.mailer import (
    AddressRefused,
    MailerUnavailable,
    OutgoingEmail,
    ProviderReceipt,
)
from backend.config import Settings
from backend.db.engine import Database
from backend.messaging.contracts import DunningEmailRequested, EvaluateDunning, Message, Queue
from backend.messaging.embedded import EmbeddedTransport
from backend.messaging.envelope import read_envelope, read_message
from backend.messaging.transport import DeadReason, Outgoing
from backend.messaging.unsent import list_unsent, mark_sent, outgoing
from backend.unit_of_work import Reader, UnitOfWork, read, run
from tests.factories import Clock, raw_rows
from tests.property.collections_model import Book, Debt, Debtor, Reminder, Run
from worker.dispatch import dispatch
from worker.handlers.table import HANDLERS
from worker.scheduler import Scheduler

WORKERS = 2
# How often two workers do the same at once, or one of them while the other hands an e-mail over.
AT_ONCE, MEANWHILE = 0.1, 0.2
LEFT_FOR_LATER = 0.3
HAPPENS_MEANWHILE = 0.5
_LISTED = re.compile(r"^- (INV-\d+): \$([\d,.]+)", re.MULTILINE)
_STEPS_OF = """
SELECT c.customer_id, c.template_key, c.reminded_on, n.invoice_id, n.days_after_due, n.noticed_on,
       c.id
FROM dunning_notices n
JOIN communications c ON c.tenant_id = n.tenant_id AND c.id = n.communication_id
WHERE n.tenant_id = ? AND n.dunning_run_id = ?
"""


@dataclass
class Tenant:
    """A tenant of the model and the real one."""

    book: Book
    actor: Actor
    plan_ids: dict[str, UUID] = field(default_factory=dict)
    customer_ids: dict[str, UUID] = field(default_factory=dict)
    invoice_ids: dict[str, UUID] = field(default_factory=dict)
    debts: dict[UUID, Debt] = field(default_factory=dict)
    payments: list[tuple[UUID, Debt, int]] = field(default_factory=list)
    last_run: int = 0


@dataclass
class Waiting:
    """A message that is still to be delivered, and how many times."""

    outgoing: Outgoing
    message: Message
    tenant_id: UUID
    deliveries_left: int = 2

    @property
    def is_new(self) -> bool:
        return self.deliveries_left == 2


@dataclass
class InHand:
    """One delivery of a message; see Delivery."""

    queue: Queue
    message_id: str
    body: bytes
    buried: list[str]
    delivery_count: int = 1

    def complete(self) -> None:
        """Nothing is kept of it."""

    def abandon(self, problem: str, *, delay_seconds: float) -> None:
        """The message stays among the waiting ones."""

    def release(self) -> None:
        """The same."""

    def dead_letter(self, reason: DeadReason, description: str) -> None:
        self.buried.append(f"{reason}: {description}")


@dataclass(frozen=True)
class HandOver:
    """A reminder that was handed to the mailer, and the gap that was kept then."""

    book: Book
    reminder: Reminder
    at: datetime
    gap: int

    @property
    def day(self) -> date:
        return self.book.today(self.at)


class World:
    """Some tenants, two workers, one mail server, and a clock that only the story moves."""

    keeps_contents = False

    def __init__(self, db: Database, clock: Clock, chance: int) -> None:
        self.db, self.clock = db, clock
        self.chance = random.Random(chance)  # noqa: S311 (chance of a story, not a secret)
        self.services = Services(db, EmbeddedTransport(db), self, Settings())
        self.schedulers = [Scheduler(self.services, threading.Event()) for _ in range(WORKERS)]
        self.threads = ThreadPoolExecutor(WORKERS)
        self.tenants: dict[UUID, Tenant] = {}
        self.waiting: list[Waiting] = []
        self.reminders: dict[UUID, Reminder] = {}
        self.workers_back_at = self.mail_back_at = clock.now
        self.refused: set[str] = set()  # addresses that the mail server will not take
        self.handed_over: list[HandOver] = []
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._failures: list[str] = []
        self._listed: list[tuple[str, dict[str, int]]] = []  # to whom, about what
        self._in_hand: Waiting | None = None

    def close(self) -> None:
        self.threads.shutdown()

    # The workers.

    def look(self, happening: list[Callable[[], object]]) -> None:
        """Everything that workers do at one instant, and what happens before, meanwhile, after."""
        if self.clock.now >= self.workers_back_at:
            self._by_the_clock()
            self._work_off(happening)
        for happens in happening:
            happens()

    def _by_the_clock(self) -> None:
        for tenant in self.tenants.values():
            tenant.book.settle(self.clock.now)
        expected = sum(tenant.book.start(self.clock.now) for tenant in self.tenants.values())
        steps: list[Callable[[Scheduler], object]] = [Scheduler.sweep, Scheduler.settle]
        for step in steps:
            for scheduler in self.schedulers:
                step(scheduler)
        if self.chance.random() < AT_ONCE:
            started = sum(self.threads.map(Scheduler.start_dunning, self.schedulers))
        else:
            started = sum(map(Scheduler.start_dunning, self.schedulers))
        assert started == expected, f"runs started: {started}, expected: {expected}"
        self.counts["runs started"] += started

    def _work_off(self, happening: list[Callable[[], object]]) -> None:
        """Deliver in any order; what was not done, or has its second time to come, may wait."""
        self._take_up()
        batch, self.waiting = self.waiting, []
        self.chance.shuffle(batch)
        while batch:
            message = batch.pop()
            if self.chance.random() < LEFT_FOR_LATER:
                self.waiting.append(message)
                continue
            if happening and self.chance.random() < HAPPENS_MEANWHILE:
                happening.pop(0)()
            is_done = self._deliver(message)
            message.deliveries_left -= is_done
            if message.deliveries_left:
                again = batch if is_done and self.chance.random() < 0.5 else self.waiting
                again.append(message)
            before = len(self.waiting)
            self._take_up()
            for fresh in self.waiting[before:]:
                batch.insert(self.chance.randint(0, len(batch)), fresh)
            del self.waiting[before:]

    def _take_up(self) -> None:
        """What the relay does: take the committed messages, in order."""
        rows = read(self.db, platform_system("relay"), _unsent)
        if rows:
            run(self.db, platform_system("relay"), _mark_sent, [row.row_id for row in rows])
        for row in rows:
            message = read_message(read_envelope(row.body.encode()))
            self.waiting.append(Waiting(outgoing(row), message, row.tenant_id))

    def _deliver(self, waiting: Waiting) -> bool:
        message, tenant = waiting.message, self.tenants[waiting.tenant_id]
        if isinstance(message, EvaluateDunning):
            self._evaluate(waiting, message, tenant)
            return True
        if isinstance(message, DunningEmailRequested):
            return self._send(waiting, tenant, self.reminders[message.communication_id])
        return self._dispatch(waiting)

    def _dispatch(self, waiting: Waiting, *, workers: int = 1) -> bool:
        """Let workers handle it at the same time; whether it is done."""
        buried: list[str] = []
        one = waiting.outgoing
        in_hand = [InHand(one.queue, one.message_id, one.body, buried) for _ in range(workers)]
        self._in_hand = waiting if workers == 1 else None
        call = self.threads.map if workers > 1 else map
        is_done = any(list(call(lambda it: dispatch(self.services, HANDLERS, it), in_hand)))
        self._in_hand = None
        assert not buried, buried
        assert not self._failures, self._failures
        return is_done

    def _workers(self) -> int:
        return WORKERS if self.chance.random() < AT_ONCE else 1

    def _evaluate(self, waiting: Waiting, message: EvaluateDunning, tenant: Tenant) -> None:
        expected = None
        if waiting.is_new:
            expected = tenant.book.evaluate(
                self.clock.now,
                scheduled_on=message.as_of if message.scheduled else None,
                keeps_gap=message.scheduled or message.keep_gap,
            )
        is_done = self._dispatch(waiting, workers=self._workers())
        assert is_done
        runs = raw_rows(
            self.db,
            "SELECT row_id, id, as_of, overdue_count FROM dunning_runs "
            "WHERE tenant_id = ? AND row_id > ?",
            tenant.actor.tenant_id.hex,
            tenant.last_run,
        )
        assert len(runs) == (expected is not None), f"{len(runs)} runs, expected {expected}"
        if expected is not None:
            tenant.last_run = runs[0][0]
            self._agrees(tenant, expected, *runs[0][1:])

    def _agrees(self, tenant: Tenant, expected: Run, run_id: str, as_of: str, overdue: int) -> None:
        """Whether a run did what it had to, invoice by invoice; the skipped ones by their count."""
        self.counts["runs done"] += 1
        assert as_of == expected.day.isoformat()
        found: dict[str, set[tuple[str, int]]] = {}
        found_ids: dict[str, UUID] = {}
        names = {customer_id: name for name, customer_id in tenant.customer_ids.items()}
        templates: dict[str, str] = {}
        for customer, template, counts_on, invoice, days, on, communication in raw_rows(
            self.db, _STEPS_OF, tenant.actor.tenant_id.hex, run_id
        ):
            assert counts_on == on == as_of
            name = names[UUID(customer)]
            steps = found.setdefault(name, set())
            steps.add((tenant.debts[UUID(invoice)].number, days))
            found_ids[name], templates[name] = UUID(communication), template
        wanted = {
            one.debtor.name: {(debt.number, days) for debt, days in one.steps}
            for one in expected.reminders
        }
        assert found == wanted, f"{tenant.book.name} {as_of}: reminded {found}, expected {wanted}"
        for reminder in expected.reminders:
            assert templates[reminder.debtor.name] == reminder.template
            self.reminders[found_ids[reminder.debtor.name]] = reminder
        skipped = raw_rows(
            self.db,
            "SELECT reason, invoice_count FROM dunning_run_skips "
            "WHERE tenant_id = ? AND dunning_run_id = ?",
            tenant.actor.tenant_id.hex,
            run_id,
        )
        assert dict(skipped) == dict(expected.skipped)
        assert overdue == expected.overdue
        self.counts.update({f"skipped {reason}": count for reason, count in skipped})
        self.counts["steps"] += sum(len(steps) for steps in found.values())

    def _send(self, waiting: Waiting, tenant: Tenant, reminder: Reminder) -> bool:
        """Deliver a reminder: what is handed over must be what the rules leave of it."""
        wanted = {debt.number: debt.balance for debt in tenant.book.claim(reminder, self.clock.now)}
        address = reminder.debtor.address or ""
        is_taken = self.clock.now >= self.mail_back_at and address not in self.refused
        self._listed = []
        is_done = self._dispatch(waiting, workers=self._workers())
        expected = [(address, wanted)] if wanted and is_taken else []
        assert self._listed == expected, f"handed over {self._listed}, expected {expected}"
        if expected:
            reminder.status = "sent"
            book = tenant.book
            self.handed_over.append(HandOver(book, reminder, self.clock.now, book.gap))
        elif wanted and is_done:
            tenant.book.refuse(reminder)
            self.counts["refused"] += 1
        elif is_done and waiting.is_new and not wanted:
            self.counts["taken back"] += 1
        return is_done

    # The mailer.

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """Take an e-mail, and see for oneself whether it should have come. See Mailer."""
        with self._lock:
            tenant = next(one for one in self.tenants.values() if one.book.name == email.from_name)
            debtor = next(one for one in tenant.book.debtors if one.address == email.to_address)
            if self.clock.now < self.mail_back_at:
                raise MailerUnavailable("away")
            if email.to_address in self.refused:
                if debtor.address_state == "ok":
                    debtor.address_state = "bounced"
                raise AddressRefused("no such mailbox")
            self.counts["e-mails"] += 1
            reminder = self.reminders.get(email.communication_id)
            if reminder is not None:
                listed = {
                    number: int(Decimal(amount.replace(",", "")) * 100)
                    for number, amount in _LISTED.findall(email.text_body)
                }
                self._failures += self._wrongs(tenant, debtor, reminder, listed)
                self._listed.append((email.to_address, listed))
            again = self._in_hand
        if again is not None and self.chance.random() < MEANWHILE:
            self._in_hand = None
            # The other worker gets the same message just now.
            one = again.outgoing
            dispatch(
                self.services, HANDLERS, InHand(one.queue, one.message_id, one.body, self._failures)
            )
        return ProviderReceipt(str(email.communication_id))

    def _wrongs(
        self, tenant: Tenant, debtor: Debtor, reminder: Reminder, listed: dict[str, int]
    ) -> list[str]:
        """What is wrong with a reminder at the instant at which it is handed over."""
        book, now = tenant.book, self.clock.now
        today = book.today(now)
        where = f"{book.name}, {debtor.name}, {now}"
        wrongs = []
        if reminder.is_scheduled and not book.is_open(now):
            wrongs.append(f"{where}: outside the window")
        if debtor.hold is not None and debtor.hold.stands(today):
            wrongs.append(f"{where}: to a customer who is held: {debtor.hold}")
        if debtor.address_state != "ok":
            wrongs.append(f"{where}: to an address that is {debtor.address_state}")
        for number, amount in listed.items():
            debt = tenant.debts[tenant.invoice_ids[number]]
            if debt.debtor is not debtor:
                wrongs.append(f"{where}: about {number} of somebody else")
            if not debt.is_open or debt.balance != amount or debt.due >= today:
                wrongs.append(f"{where}: {number} over {amount}, is {debt.balance} due {debt.due}")
            if debt.is_held(today):
                wrongs.append(f"{where}: {number} is held: {debt.hold}")
        return wrongs

    # The end.

    def settle_everything(self) -> None:
        """Let time pass, and nothing else happen, until all messages are done."""
        self.workers_back_at = self.mail_back_at = self.clock.now
        while True:
            self.look([])
            if not self.waiting:
                break
            self.clock.pass_time(minutes=5)


def _unsent(reader: Reader) -> list[Any]:
    return list_unsent(reader.connection, rows_max=10_000)


def _mark_sent(work: UnitOfWork, row_ids: list[int]) -> None:
    mark_sent(work.connection, row_ids, now=work.now)
