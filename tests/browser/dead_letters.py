"""The dead letters' pages as a person uses them, and the letters that tests put there."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from playwright.sync_api import Locator, expect

from backend.db.engine import Database
from backend.invoices.queries import InvoiceView
from backend.messaging.contracts import (
    ApplyPayment,
    EmailSendRequested,
    EvaluateDunning,
    Queue,
)
from backend.messaging.transport import DeadReason, Outgoing, Transport
from backend.support.executor import run_due_jobs
from backend.support.letters import LetterFilter, LetterSummary, list_letters
from tests.browser.screens import Screen, wait_until_ready
from tests.factories import make_customer, make_invoice, raw_rows
from tests.integration.support.letters import bury
from tests.queues import plain_message, real_message

if TYPE_CHECKING:
    from tests.browser.conftest import World


class DeadLettersScreen(Screen):
    """/support/dlq and the pages below it."""

    @property
    def groups(self) -> Locator:
        """The rows of the groups."""
        return self.page.get_by_test_id("dlq-group")

    @property
    def messages(self) -> Locator:
        """The rows of the messages."""
        return self.page.get_by_test_id("dlq-message")

    @property
    def answer(self) -> Locator:
        """What an act on the open letter came to."""
        return self.page.get_by_test_id("answer")

    @property
    def editor(self) -> Locator:
        """The body being edited."""
        return self.page.get_by_test_id("editor")

    def message(self, text: str) -> Locator:
        """The messages whose row says this."""
        return self.messages.filter(has_text=text)

    def card(self, queue: Queue) -> Locator:
        """A queue's card."""
        return self.page.get_by_test_id("queue-card").filter(has_text=queue.value)

    def go(self, address: str) -> None:
        """Open an address, and wait until it is loaded."""
        self.page.goto(address)
        wait_until_ready(self.page)

    def open(self, text: str) -> None:
        """Open the message whose row says this."""
        self.message(text).first.get_by_role("link").first.click()
        expect(self.page.get_by_test_id("letter-body")).to_be_visible()

    def tick(self, *positions: int) -> None:
        """Choose messages by their place on the page, from 0."""
        for position in positions:
            box = self.messages.nth(position).get_by_role("checkbox")
            box.click()
            expect(box).to_be_checked()

    def expect_chosen(self, text: str) -> None:
        """What the bar says is chosen."""
        expect(self.page.get_by_test_id("bulk-count")).to_have_text(text)

    def plan(self, act: str) -> Locator:
        """Press an act of the bar, and wait until its plan has been counted."""
        self.page.get_by_test_id(f"bulk-{act}").click()
        dialog = self.dialog("plan")
        expect(dialog.get_by_text("Counting")).to_have_count(0)
        return dialog

    def start(self, name: str = "plan") -> UUID:
        """Confirm a plan; the job whose page opens."""
        self.page.get_by_test_id(f"confirm-{name}").click()
        self.page.wait_for_url(re.compile(r"/support/dlq/jobs/[0-9a-f-]{36}"))
        expect(self.page.get_by_test_id("job")).to_be_visible()
        return UUID(self.page.url.split("/jobs/")[1].strip("/")[:36])

    def expect_progress(self, text: str) -> None:
        """How far the job is."""
        expect(self.page.get_by_test_id("job-progress")).to_have_text(text)

    def type_body(self, text: str) -> None:
        """Put a body into the editor."""
        self.editor.fill(text)

    def download(self) -> Path:
        """The export, as a file."""
        with self.page.expect_download() as waiting:
            self.page.get_by_test_id("export").click()
        return Path(waiting.value.path())


def evaluation(tenant_id: UUID, **fields: Any) -> Outgoing:
    """A message that the worker can handle."""
    return real_message(tenant_id, EvaluateDunning(), **fields)


def of_unknown_type(tenant_id: UUID, kind: str, **fields: Any) -> Outgoing:
    """A message of a type that nobody knows; its type keeps one test's letters apart."""
    known = evaluation(tenant_id, **fields)
    contents = orjson.loads(known.body) | {"message_type": kind, "payload": {}}
    return Outgoing(
        known.queue,
        known.message_id,
        orjson.dumps(contents),
        known.available_at,
        kind,
        tenant_id,
        known.correlation_id,
    )


def unreadable(message_id: str) -> Outgoing:
    """A message that names nobody."""
    return plain_message(message_id, queue=Queue.WEBHOOK_INGEST, body=b'{"half": ')


@dataclass
class Quiet:
    """The app on a database of its own that no worker works on: a test does what one would do."""

    world: World
    transport: Transport

    @property
    def db(self) -> Database:
        """Its database."""
        return self.world.db

    def bury(self, *messages: Outgoing, **why: Any) -> None:
        """Set messages aside as the worker would, after it has done what is waiting."""
        for queue in {one.queue for one in messages}:
            while waiting := self.transport.receive(queue, messages_max=100, wait_seconds=0):
                self.transport.complete(waiting)
        bury(self.transport, *messages, **why)

    def bury_some(self, kind: str, count: int) -> None:
        """Letters of a type that no other test has."""
        self.bury(*(of_unknown_type(self.world.tenant_id, kind) for _ in range(count)))

    def letters(self, **narrowed: Any) -> list[LetterSummary]:
        """The letters of the first business that match."""
        wanted = LetterFilter(**narrowed)
        return list_letters(self.db, self.transport, self.world.actor, wanted, limit=100).items

    def letter(self, kind: str) -> LetterSummary:
        """The only letter of a type."""
        (found,) = self.letters(message_type=kind)
        return found

    def do_jobs(self) -> int:
        """Work off the jobs as the worker would, those too that pause; how many."""
        with closing(sqlite3.connect(str(self.db.path))) as connection, connection:
            connection.execute("UPDATE dead_letter_jobs SET due_at = created_at")
        return run_due_jobs(self.db, self.transport, lambda: False)

    def waiting(self, queue: Queue) -> list[str]:
        """The ids of what a queue would hand out."""
        rows = raw_rows(
            self.db,
            "SELECT message_id FROM queue_messages WHERE queue = ? AND state = 'ready'",
            queue.value,
        )
        return [row[0] for row in rows]


def address(letter: LetterSummary) -> str:
    """Where a letter is opened."""
    return f"/support/dlq/{letter.queue.value}/{letter.sequence_number}"


def fill(quiet: Quiet) -> InvoiceView:
    """Set aside letters of every kind, as a bad morning leaves them; the payments' invoice."""
    world, home = quiet.world, quiet.world.tenant_id
    customer = make_customer(world.db, world.actor, "Harbor Dental Group")
    invoice = make_invoice(world.db, world.actor, customer.customer_id, "120.00")
    payment = ApplyPayment(
        command={"amount": "120.00", "currency_code": "USD", "invoice_id": str(invoice.invoice_id)}
    )
    quiet.bury(
        *(real_message(home, payment) for _ in range(3)),
        description="invoice_not_open: The invoice is a draft.",
    )
    quiet.bury(
        *(real_message(home, EmailSendRequested(communication_id=invoice.invoice_id))
          for _ in range(14)),
        reason=DeadReason.MAX_DELIVERY_COUNT_EXCEEDED,
        description="SMTP 550: mailbox unavailable. The server mail.example refused the recipient.",
    )  # fmt: skip
    quiet.bury(
        *(of_unknown_type(home, "invoice.archive_requested") for _ in range(60)),
        reason=DeadReason.UNKNOWN_MESSAGE_TYPE,
        description="nobody handles invoice.archive_requested",
    )
    quiet.bury(evaluation(world.other_tenant_id))
    quiet.bury(
        unreadable("evt-1"),
        reason=DeadReason.BAD_ENVELOPE,
        description="not JSON: EOF while parsing a value at line 1 column 9",
    )
    return invoice
