"""E-mails of the platform to those who sign in: asked for here, written and sent by the worker.

Row and message are one commit with what they tell of. No link and no text is kept: the worker
makes both when it sends. The answer to a request for a new password is the same for everybody,
and so is the work done before it: whose address it is, only the worker asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import PlatformStatement
from backend.identity.account_models import (
    ACCOUNT_EMAILS,
    PASSWORD_RESETS,
    AccountEmailKind,
    AccountEmailStatus,
)
from backend.ids import new_id
from backend.messaging.contracts import AccountEmailRequested
from backend.unit_of_work import Reader, UnitOfWork

# Whoever looks into an attack finds them for a month.
KEPT = timedelta(days=30)
_PROBLEM_LENGTH = 500

_E = ACCOUNT_EMAILS.c
_INSERT = PlatformStatement(sa.insert(ACCOUNT_EMAILS))
_GET = PlatformStatement(
    sa.select(
        _E.id,
        _E.kind,
        _E.status,
        _E.user_id,
        _E.to_address,
        _E.network_address,
        _E.provider_id,
        _E.problem,
        _E.correlation_id,
        _E.created_at,
        _E.settled_at,
    ).where(_E.id == sa.bindparam("email_id"))
)
_ADDRESS = PlatformStatement(
    sa.update(ACCOUNT_EMAILS)
    .where(_E.id == sa.bindparam("email_id"))
    .values(user_id=sa.bindparam("of_user"))
)
_SETTLE = PlatformStatement(
    sa.update(ACCOUNT_EMAILS)
    .where(_E.id == sa.bindparam("email_id"), _E.status == AccountEmailStatus.QUEUED)
    .values(
        status=sa.bindparam("new_status", type_=_E.status.type),
        to_address=sa.bindparam("kept_address"),
        provider_id=sa.bindparam("given_id"),
        problem=sa.bindparam("said"),
        settled_at=sa.bindparam("now"),
    )
)
_NOTE = PlatformStatement(
    sa.update(ACCOUNT_EMAILS)
    .where(_E.id == sa.bindparam("email_id"), _E.status == AccountEmailStatus.QUEUED)
    .values(problem=sa.bindparam("said"))
)
_FORGET_RESETS = PlatformStatement(
    sa.delete(PASSWORD_RESETS).where(
        PASSWORD_RESETS.c.id.in_(
            sa.select(_E.id).where(_E.created_at < sa.bindparam("before", type_=_E.created_at.type))
        )
    )
)
_FORGET = PlatformStatement(sa.delete(ACCOUNT_EMAILS).where(_E.created_at < sa.bindparam("before")))


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an e-mail ended: handed over under an id, refused, or left alone with a reason."""

    status: AccountEmailStatus
    provider_id: str | None = None
    problem: str | None = None


def queue_account_email(
    work: UnitOfWork,
    kind: AccountEmailKind,
    *,
    to_address: str,
    user_id: UUID | None = None,
    network_address: str = "",
) -> UUID:
    """Ask for an e-mail in this transaction; its id."""
    email_id = new_id()
    work.execute(
        _INSERT,
        id=email_id,
        kind=kind,
        status=AccountEmailStatus.QUEUED,
        user_id=user_id,
        to_address=to_address[:254],
        network_address=network_address[:64],
        provider_id=None,
        problem=None,
        correlation_id=work.actor.correlation_id,
        created_at=work.now,
        settled_at=None,
    )
    work.send(AccountEmailRequested(account_email_id=email_id))
    return email_id


def get_account_email(reader: Reader, email_id: UUID) -> Any:
    """The row of an e-mail. Raises NotFound."""
    return reader.one(_GET, email_id=email_id)


def address_to(work: UnitOfWork, email_id: UUID, user_id: UUID) -> None:
    """Keep whom the e-mail turned out to be for."""
    work.execute(_ADDRESS, email_id=email_id, of_user=user_id)


def settle(work: UnitOfWork, email_id: UUID, to_address: str, outcome: Settlement) -> bool:
    """Keep how the e-mail ended, once; False when it had ended before.

    Of an ignored one the address is forgotten: it may be a stranger's.
    """
    is_ignored = outcome.status is AccountEmailStatus.IGNORED
    problem = outcome.problem[:_PROBLEM_LENGTH] if outcome.problem else None
    touched = work.execute(
        _SETTLE,
        email_id=email_id,
        new_status=outcome.status,
        kept_address="" if is_ignored else to_address,
        given_id=outcome.provider_id,
        said=problem,
        now=work.now,
    )
    return touched > 0


def note_trouble(work: UnitOfWork, email_id: UUID, problem: str) -> None:
    """Keep why the e-mail could not be handed over yet."""
    work.execute(_NOTE, email_id=email_id, said=problem[:_PROBLEM_LENGTH])


def forget_old_account_emails(work: UnitOfWork) -> int:
    """Delete e-mails to users, and their links, after a month; how many. For the scheduler."""
    before = work.now - KEPT
    work.execute(_FORGET_RESETS, before=before)
    return work.execute(_FORGET, before=before)
