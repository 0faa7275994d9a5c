"""Sending one e-mail: write it down, hand it over outside any transaction, write down how it went.

Between the two transactions the process may die. Then the message comes again, and so does the
e-mail, with the same Message-ID; a payment can never be doubled by it. While one worker is at it,
a second delivery of the message waits: the first transaction takes a lease. Just before the
hand-over the letter is made once more and must come out the same, so that nobody is asked for money
that was paid a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from backend.actor import Actor
from backend.communications.letters import Letter, WrittenLetter, write_letter
from backend.communications.mailer import (
    AddressRefused,
    EmailRefused,
    Mailer,
    MailerUnavailable,
    OutgoingEmail,
)
from backend.communications.models import CommunicationStatus, CommunicationType, ReturnKind
from backend.communications.returns import report_return
from backend.communications.service import (
    find_standing,
    keep_contents,
    mark_failed,
    mark_sent,
    note_problem,
    queue_email,
    reopen_failed,
)
from backend.db.engine import Database
from backend.errors import Busy, NotFound
from backend.unit_of_work import Reader, UnitOfWork, read, run

log = structlog.get_logger(__name__)

# An invoice that changes this often between two looks is being worked on: come back later.
LOOKS_MAX = 5
MAIL_SERVER = "mail server"  # who tells of a bounce at the hand-over

BuildLetter = Callable[[Reader], Letter]
OnClaim = Callable[[UnitOfWork, UUID, Letter], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What names the communication: the message that asks for it, or its own id when it exists.

    A message that a person sent again tries anew what had failed; what was sent stays sent.
    """

    message_id: UUID | None = None
    communication_id: UUID | None = None
    is_sent_again: bool = False


@dataclass(frozen=True, slots=True)
class _Claimed:
    communication_id: UUID
    written_at: datetime
    is_repeat: bool


class _Settled:
    """Nothing is left to do."""


class _Changed:
    """What the letter says is no longer true."""


def send_letter(
    db: Database,
    mailer: Mailer,
    actor: Actor,
    source: Source,
    build: BuildLetter,
    *,
    on_claim: OnClaim | None = None,
) -> None:
    """Make a letter, send it, and record the outcome; does nothing when it was settled before.

    `build` is called in a snapshot and again in the transaction that claims the letter; `on_claim`
    joins that transaction, and, when the address is refused, the one that records it: then the
    letter has that obstacle. Raises NotFound, and Busy when it should be tried again later.
    """
    for _ in range(LOOKS_MAX):
        letter = read(db, actor, build)
        written = None if letter.obstacle else write_letter(letter)
        keeps = mailer.keeps_contents
        claim = run(db, actor, _claim, source, build, letter, written, keeps, on_claim)
        if not isinstance(claim, _Changed):
            break
    else:
        raise Busy("What the e-mail is about keeps changing.")
    if isinstance(claim, _Claimed) and written is not None:
        _hand_over(db, mailer, actor, claim, letter, written, on_claim)


def _claim(
    work: UnitOfWork,
    source: Source,
    build: BuildLetter,
    letter: Letter,
    written: WrittenLetter | None,
    keeps_files: bool,
    on_claim: OnClaim | None,
) -> _Claimed | _Settled | _Changed:
    standing = find_standing(
        work, communication_id=source.communication_id, source_message_id=source.message_id
    )
    if standing is None and source.communication_id is not None:
        raise NotFound("There is no such communication.")
    if standing is not None and standing.status is not CommunicationStatus.QUEUED:
        is_tried_anew = source.is_sent_again and reopen_failed(work, standing.communication_id)
        if not is_tried_anew:
            return _Settled()
    # A lease that is over is that of a worker that died on the way.
    elif standing is not None and (standing.sending_until or work.now) > work.now:
        raise Busy("The e-mail is being handed over at this moment.")
    if build(work) != letter:
        return _Changed()
    if standing is None:
        communication_id = queue_email(work, letter, source_message_id=source.message_id)
    else:
        communication_id = standing.communication_id
    if on_claim is not None:
        on_claim(work, communication_id, letter)
    if written is None:
        mark_failed(work, communication_id, letter.obstacle or "")
        return _Settled()
    keep_contents(work, communication_id, letter, written, with_files=keeps_files)
    is_repeat = standing is not None and standing.was_tried
    return _Claimed(communication_id, work.now, is_repeat)


def _hand_over(
    db: Database,
    mailer: Mailer,
    actor: Actor,
    claim: _Claimed,
    letter: Letter,
    written: WrittenLetter,
    on_claim: OnClaim | None,
) -> None:
    email = OutgoingEmail(
        communication_id=claim.communication_id,
        to_address=letter.to_address,
        from_name=letter.from_name,
        subject=written.email.subject,
        text_body=written.email.text,
        html_body=written.email.html,
        written_at=claim.written_at,
        attachments=written.attachments,
        reply_to=letter.reply_to,
        is_reminder=letter.type is CommunicationType.DUNNING,
        is_repeat=claim.is_repeat,
    )
    told = log.bind(communication_id=str(claim.communication_id), type=letter.type)
    if written.template_problem is not None:
        told.warning("email.template_passed_over", problem=written.template_problem)
    try:
        receipt = mailer.deliver(email)
    except MailerUnavailable as problem:
        run(db, actor, note_problem, claim.communication_id, str(problem))
        told.warning("email.not_handed_over", problem=str(problem))
        raise Busy(f"The e-mail could not be handed over: {problem}") from problem
    except AddressRefused as refusal:
        refused = replace(letter, obstacle=str(refusal))
        run(db, actor, _refuse_address, claim.communication_id, refused, on_claim)
        told.warning("email.address_refused", problem=str(refusal))
    except EmailRefused as refusal:
        run(db, actor, mark_failed, claim.communication_id, str(refusal))
        told.warning("email.refused", problem=str(refusal))
    else:
        run(db, actor, mark_sent, claim.communication_id, receipt.provider_id)
        told.info("email.sent", provider_id=receipt.provider_id)


def _refuse_address(
    work: UnitOfWork, communication_id: UUID, letter: Letter, on_claim: OnClaim | None
) -> None:
    reason = letter.obstacle or ""
    mark_failed(work, communication_id, reason)
    if on_claim is not None:
        on_claim(work, communication_id, letter)
    report_return(
        work,
        communication_id,
        None,
        ReturnKind.BOUNCED,
        reason,
        MAIL_SERVER,
        may_be_repeated=False,
    )
