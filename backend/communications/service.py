"""Writing communications down, and where each of them stands: queued, then sent or failed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.communications.letters import Letter, WrittenLetter
from backend.communications.models import (
    COMMUNICATION_ATTACHMENTS,
    COMMUNICATION_INVOICES,
    COMMUNICATIONS,
    Channel,
    CommunicationStatus,
)
from backend.communications.queries import CommunicationDetail, get_communication
from backend.communications.templates import RenderedEmail
from backend.communications.wording import single_line
from backend.db.statements import TENANT, Statement
from backend.errors import StateConflict
from backend.ids import new_id
from backend.messaging.contracts import EmailSendRequested
from backend.unit_of_work import Reader, UnitOfWork

_M, _I, _A = COMMUNICATIONS, COMMUNICATION_INVOICES, COMMUNICATION_ATTACHMENTS
ERROR_CHARACTERS_MAX = 1000
# One hand-over at a time. Longer than the slowest mailer may take, so that it ends while it holds;
# short enough that a worker that died holds nobody up for long.
HAND_OVER_SECONDS_MAX = 60

_ADD = Statement(sa.insert(_M))
_ADD_INVOICE = Statement(sa.insert(_I))
_ADD_ATTACHMENT = Statement(sa.insert(_A))
_QUEUED = (
    _M.c.tenant_id == TENANT,
    _M.c.id == sa.bindparam("communication_id"),
    _M.c.status == CommunicationStatus.QUEUED,
)
_WRITE = Statement(
    sa.update(_M)
    .where(*_QUEUED)
    .values(
        to_address=sa.bindparam("new_to_address"),
        subject=sa.bindparam("new_subject"),
        text_body=sa.bindparam("new_text_body"),
        html_body=sa.bindparam("new_html_body"),
        template_problem=sa.bindparam("new_template_problem"),
        sending_until=sa.bindparam("lease_until", type_=_M.c.sending_until.type),
        version=_M.c.version + 1,
    )
)
_SETTLE = Statement(
    sa.update(_M)
    .where(*_QUEUED)
    .values(
        status=sa.bindparam("new_status", type_=_M.c.status.type),
        provider_id=sa.bindparam("new_provider_id"),
        error=sa.bindparam("new_error"),
        sent_at=sa.bindparam("new_sent_at"),
        sending_until=None,
        version=_M.c.version + 1,
    )
)
_NOTE = Statement(
    sa.update(_M)
    .where(*_QUEUED)
    .values(error=sa.bindparam("new_error"), sending_until=None, version=_M.c.version + 1)
)
_QUEUE_AGAIN = Statement(
    sa.update(_M)
    .where(
        _M.c.tenant_id == TENANT,
        _M.c.id == sa.bindparam("communication_id"),
        _M.c.status == CommunicationStatus.FAILED,
    )
    .values(status=CommunicationStatus.QUEUED, version=_M.c.version + 1)
)
_FORGET_ATTACHMENTS = Statement(
    sa.delete(_A).where(
        _A.c.tenant_id == TENANT, _A.c.communication_id == sa.bindparam("communication_id")
    )
)
_FORGET_INVOICE = Statement(
    sa.delete(_I).where(
        _I.c.tenant_id == TENANT,
        _I.c.communication_id == sa.bindparam("communication_id"),
        _I.c.invoice_id == sa.bindparam("invoice_id"),
    )
)
_STANDING = sa.select(_M.c.id, _M.c.status, _M.c.sending_until, _M.c.subject)
_BY_ID = Statement(
    _STANDING.where(_M.c.tenant_id == TENANT, _M.c.id == sa.bindparam("communication_id"))
)
_BY_SOURCE = Statement(
    _STANDING.where(_M.c.tenant_id == TENANT, _M.c.source_message_id == sa.bindparam("source"))
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Which communication, whether it is still to be sent, and until when somebody is at it.

    `was_tried`: its contents were written before, so that an earlier try may have come through.
    """

    communication_id: UUID
    status: CommunicationStatus
    sending_until: datetime | None
    was_tried: bool


def find_standing(
    reader: Reader, *, communication_id: UUID | None = None, source_message_id: UUID | None = None
) -> Standing | None:
    """Where a communication stands, by its id or by the message that asked for it."""
    if communication_id is not None:
        row = reader.first(_BY_ID, communication_id=communication_id)
    else:
        row = reader.first(_BY_SOURCE, source=source_message_id)
    return (
        None if row is None else Standing(row.id, row.status, row.sending_until, row.subject != "")
    )


def queue_email(work: UnitOfWork, letter: Letter, *, source_message_id: UUID | None = None) -> UUID:
    """Put an e-mail on record as queued, without contents unless they are ready; its id."""
    work.actor.require(Action.INVOICES_WRITE)
    ready = letter.ready or RenderedEmail("", "", "")
    communication_id = new_id()
    work.execute(
        _ADD,
        id=communication_id,
        customer_id=letter.customer_id,
        payment_id=letter.payment_id,
        dunning_run_id=None,
        channel=Channel.EMAIL,
        type=letter.type,
        status=CommunicationStatus.QUEUED,
        to_address=letter.to_address,
        template_key=str(letter.template_key),
        step_number=letter.step_number,
        subject=ready.subject,
        text_body=ready.text,
        html_body=ready.html,
        source_message_id=source_message_id,
        provider_id=None,
        error=None,
        correlation_id=work.actor.correlation_id,
        created_at=work.now,
        sent_at=None,
        reminded_on=None,
        sending_until=None,
        template_problem=None,
        version=1,
    )
    work.execute_many(
        _ADD_INVOICE,
        [
            {"id": new_id(), "communication_id": communication_id, "invoice_id": invoice_id}
            for invoice_id in letter.invoice_ids
        ],
    )
    work.record(
        "communication.queued",
        "communication",
        communication_id,
        after={
            "type": letter.type,
            "to_address": letter.to_address,
            "invoice_ids": list(letter.invoice_ids),
        },
    )
    return communication_id


def keep_contents(
    work: UnitOfWork,
    communication_id: UUID,
    letter: Letter,
    written: WrittenLetter,
    *,
    with_files: bool,
) -> None:
    """Write down what is about to be sent, and that it is; the files themselves only `with_files`.

    From now on nobody else hands it over until this try has ended, or its time is up.
    """
    work.execute(
        _WRITE,
        communication_id=communication_id,
        new_to_address=letter.to_address,
        new_subject=written.email.subject,
        new_text_body=written.email.text,
        new_html_body=written.email.html,
        new_template_problem=written.template_problem,
        lease_until=work.now + timedelta(seconds=HAND_OVER_SECONDS_MAX),
    )
    for dropped in letter.dropped:
        work.execute(
            _FORGET_INVOICE, communication_id=communication_id, invoice_id=dropped.invoice_id
        )
    work.execute(_FORGET_ATTACHMENTS, communication_id=communication_id)
    work.execute_many(
        _ADD_ATTACHMENT,
        [
            {
                "id": new_id(),
                "communication_id": communication_id,
                "filename": attachment.filename,
                "content_type": attachment.content_type,
                "size": len(attachment.content),
                "sha256": hashlib.sha256(attachment.content).hexdigest(),
                "content": attachment.content if with_files else None,
            }
            for attachment in written.attachments
        ],
    )


def mark_sent(work: UnitOfWork, communication_id: UUID, provider_id: str) -> None:
    """The e-mail was taken over. Nothing happens when it is settled already."""
    work.actor.require(Action.INVOICES_WRITE)
    settled = _settle(
        work, communication_id, CommunicationStatus.SENT, provider_id=provider_id, error=None
    )
    if settled:
        after = {"status": CommunicationStatus.SENT, "provider_id": provider_id}
        work.record("communication.sent", "communication", communication_id, after=after)


def mark_failed(work: UnitOfWork, communication_id: UUID, reason: str) -> None:
    """The e-mail will not be sent. Nothing happens when it is settled already."""
    work.actor.require(Action.INVOICES_WRITE)
    error = single_line(reason, characters_max=ERROR_CHARACTERS_MAX)
    if _settle(work, communication_id, CommunicationStatus.FAILED, provider_id=None, error=error):
        after = {"status": CommunicationStatus.FAILED, "error": error}
        work.record("communication.failed", "communication", communication_id, after=after)


def note_problem(work: UnitOfWork, communication_id: UUID, problem: str) -> None:
    """The e-mail is still to be sent; say what stood in the way at this try."""
    work.actor.require(Action.INVOICES_WRITE)
    error = single_line(problem, characters_max=ERROR_CHARACTERS_MAX)
    work.execute(_NOTE, communication_id=communication_id, new_error=error)


def send_again(work: UnitOfWork, communication_id: UUID) -> CommunicationDetail:
    """Queue a failed e-mail once more; it is made anew from what is true then.

    Raises NotFound, StateConflict (communication_not_failed), NotAllowed.
    """
    work.actor.require(Action.INVOICES_WRITE)
    found = get_communication(work, communication_id)
    if not work.execute(_QUEUE_AGAIN, communication_id=communication_id):
        raise StateConflict(
            f"Only a failed e-mail can be sent again; this one is {found.head.status}.",
            code="communication_not_failed",
        )
    _record_queued_again(work, communication_id, found.head.error)
    work.send(EmailSendRequested(communication_id=communication_id))
    return get_communication(work, communication_id)


def reopen_failed(work: UnitOfWork, communication_id: UUID) -> bool:
    """Queue a failed e-mail once more for the message that is being handled; whether it had failed.

    Raises NotAllowed.
    """
    work.actor.require(Action.INVOICES_WRITE)
    error = get_communication(work, communication_id).head.error
    if not work.execute(_QUEUE_AGAIN, communication_id=communication_id):
        return False
    _record_queued_again(work, communication_id, error)
    return True


def _record_queued_again(work: UnitOfWork, communication_id: UUID, error: str | None) -> None:
    work.record(
        "communication.queued_again",
        "communication",
        communication_id,
        before={"status": CommunicationStatus.FAILED, "error": error},
        after={"status": CommunicationStatus.QUEUED},
    )


def _settle(
    work: UnitOfWork,
    communication_id: UUID,
    status: CommunicationStatus,
    *,
    provider_id: str | None,
    error: str | None,
) -> bool:
    touched = work.execute(
        _SETTLE,
        communication_id=communication_id,
        new_status=status,
        new_provider_id=provider_id,
        new_error=error,
        new_sent_at=work.now if status is CommunicationStatus.SENT else None,
    )
    return touched == 1
