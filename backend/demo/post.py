"""What the worker would have done meanwhile: every message is queued, handled and settled.

E-mails are made and kept as the built-in mailbox keeps them, whatever EMAIL_URL says: those of
the demo never leave.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from backend.actor import Actor
from backend.communications.mailer import OutgoingEmail, ProviderReceipt
from backend.communications.models import ReturnKind
from backend.communications.queries import get_communication
from backend.communications.returns import report_return
from backend.communications.sending import Source, send_letter
from backend.demo.stage import Stage
from backend.dunning.evaluation import answer_message
from backend.dunning.letters import dunning_letter
from backend.dunning.taken_back import settle_steps
from backend.errors import Refused
from backend.invoices.letters import invoice_letter
from backend.messaging import queue_table, unsent
from backend.messaging.contracts import (
    ApplyPayment,
    DunningEmailRequested,
    EvaluateDunning,
    InvoiceEmailRequested,
    Queue,
    ReceiptEmailRequested,
)
from backend.messaging.envelope import Envelope, read_envelope, read_message
from backend.messaging.transport import DeadReason
from backend.payments.letters import receipt_letter
from backend.payments.service import RecordPayment, try_payment
from backend.unit_of_work import UnitOfWork, read, run

_AT_ONCE = 100
_TRANSIT = timedelta(seconds=1)


class KeepingMailer:
    """Takes every e-mail and leaves it where it is: in the database, shown as the mailbox."""

    @property
    def keeps_contents(self) -> bool:
        """True: the mailbox page offers the attachments."""
        return True

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """The same receipt as the built-in mailbox gives."""
        return ProviderReceipt(f"mailbox:{email.communication_id}")


class Post:
    """Relay and worker of the story. `returned` are addresses and since when mail comes back."""

    def __init__(self, stage: Stage, returned: dict[str, datetime]) -> None:
        self._stage = stage
        self._returned = returned
        self._mailer = KeepingMailer()

    def deliver(self, work: UnitOfWork) -> None:
        """Handle everything that was sent, and what is sent by handling it."""
        connection, clock = work.connection, self._stage.clock
        while rows := unsent.list_unsent(connection, rows_max=_AT_ONCE):
            queue_table.add(connection, [unsent.outgoing(row) for row in rows], now=clock.now)
            unsent.mark_sent(connection, [row.row_id for row in rows], now=clock.now)
            for queue in dict.fromkeys(Queue(row.queue) for row in rows):
                self._handle_all(work, queue)

    def _handle_all(self, work: UnitOfWork, queue: Queue) -> None:
        connection, clock = work.connection, self._stage.clock
        token, rows = queue_table.claim(connection, queue, messages_max=_AT_ONCE, now=clock.now)
        for row in rows:
            clock.move_to(clock.now + _TRANSIT)
            refusal = self._handle(read_envelope(row.body.encode()))
            if refusal is None:
                queue_table.complete(connection, row.row_id, token, now=clock.now)
            else:
                queue_table.bury(
                    connection,
                    row.row_id,
                    token,
                    reason=DeadReason.REFUSED,
                    description=f"{refusal.code}: {refusal.detail}",
                    now=clock.now,
                )

    def _handle(self, envelope: Envelope) -> Refused | None:
        db = self._stage.db
        actor = Actor.system(
            envelope.tenant_id,
            envelope.correlation_id,
            user_id=envelope.requested_by_user_id,
            causation_id=str(envelope.message_id),
        )
        by_message = Source(message_id=envelope.message_id)
        match read_message(envelope):
            case InvoiceEmailRequested(invoice_id=invoice_id):
                self._send(actor, by_message, partial(invoice_letter, invoice_id=invoice_id))
            case ReceiptEmailRequested(payment_id=payment_id):
                self._send(actor, by_message, partial(receipt_letter, payment_id=payment_id))
            case DunningEmailRequested(communication_id=communication_id):
                self._notice_returned_mail(actor, communication_id)
                self._send(
                    actor,
                    Source(communication_id=communication_id),
                    partial(dunning_letter, communication_id=communication_id),
                    on_claim=settle_steps,
                )
            case EvaluateDunning() as asked:
                run(db, actor, answer_message, asked)
            case ApplyPayment(command=command):
                outcome = run(db, actor, try_payment, _payment(command))
                return outcome if isinstance(outcome, Refused) else None
            case other:
                raise AssertionError(f"the story sends no {other.message_type}")
        return None

    def _send(self, actor: Actor, source: Source, build: Any, *, on_claim: Any = None) -> None:
        send_letter(self._stage.db, self._mailer, actor, source, build, on_claim=on_claim)

    def _notice_returned_mail(self, actor: Actor, communication_id: UUID) -> None:
        """Mail to a bad address came back since it was written to: found out before the next."""
        head = read(self._stage.db, actor, get_communication, communication_id).head
        since = self._returned.get(head.to_address)
        if since is not None and since <= self._stage.clock.now:
            report = (None, head.to_address, ReturnKind.BOUNCED, "550 No such user", "mail server")
            run(self._stage.db, actor, report_return, *report)


def _payment(command: dict[str, object]) -> RecordPayment:
    """The command as the job app sends it: an amount for an invoice, known by an id of its own."""
    return RecordPayment(
        amount=str(command["amount"]),
        invoice_id=UUID(str(command["invoice_id"])),
        external_provider=str(command["external_provider"]),
        external_payment_id=str(command["external_payment_id"]),
    )
