"""E-mails of the platform to those who sign in: whose it is, what it says, and handing it over.

The message's id of its own row makes a second delivery harmless: what has ended stays ended. A
crash between hand-over and note sends the same e-mail again, under the same Message-ID and with
the same link.
"""

from __future__ import annotations

from typing import Any

import structlog

from backend.actor import Actor, PlatformActor, platform_system
from backend.bootstrap import Services
from backend.communications.account_letters import FROM_NAME, write_account_email
from backend.communications.mailer import (
    AddressRefused,
    EmailRefused,
    MailerUnavailable,
    OutgoingEmail,
)
from backend.errors import Busy
from backend.identity import accounts
from backend.identity.account_emails import (
    Settlement,
    address_to,
    get_account_email,
    note_trouble,
    settle,
)
from backend.identity.account_models import AccountEmailKind, AccountEmailStatus
from backend.identity.resets import prepare_reset
from backend.messaging.contracts import AccountEmailRequested
from backend.messaging.envelope import Envelope
from backend.unit_of_work import Reader, UnitOfWork, read, run

_NOBODY = Settlement(
    AccountEmailStatus.IGNORED,
    problem="nobody who may sign in has this address, or it was sent enough of them",
)

log = structlog.get_logger(__name__)


def send_account_email(
    services: Services, _platform: Actor, envelope: Envelope, message: AccountEmailRequested
) -> None:
    """Send an e-mail to a user, unless it has been settled before. Raises Busy, NotFound."""
    system = platform_system("worker")
    row, user = read(services.db, system, _find, message)
    if row.status is not AccountEmailStatus.QUEUED:
        return
    if user is None:
        run(services.db, system, settle, row.id, row.to_address, _NOBODY)
        return
    actor = _acting_for(user, envelope)
    token = run(services.db, actor, _prepare, services, row, user)
    if token is None:
        run(services.db, actor, settle, row.id, row.to_address, _NOBODY)
        return
    written = write_account_email(
        row.kind, email=user.email, public_url=services.settings.public_url, token=token
    )
    _hand_over(
        services,
        OutgoingEmail(
            communication_id=row.id,
            to_address=user.email,
            from_name=FROM_NAME,
            subject=written.subject,
            text_body=written.text,
            html_body=written.html,
            written_at=row.created_at,
            # Nothing is noted before the hand-over: an earlier try may always have come through.
            is_repeat=True,
        ),
        row,
    )


def _find(reader: Reader, message: AccountEmailRequested) -> tuple[Any, Any | None]:
    row = get_account_email(reader, message.account_email_id)
    if row.user_id is not None:
        return row, accounts.find_by_id(reader, row.user_id)
    return row, accounts.find_by_email(reader, row.to_address)


def _prepare(work: UnitOfWork, services: Services, row: Any, user: Any) -> str | None:
    """The token of the link that goes with it; empty for a notice, None when nothing is sent."""
    if row.user_id is None:
        address_to(work, row.id, user.id)
    if row.kind is not AccountEmailKind.PASSWORD_RESET:
        return ""
    return prepare_reset(
        work,
        row.id,
        user,
        secret_key=services.settings.secret_key,
        network_address=row.network_address,
    )


def _hand_over(services: Services, email: OutgoingEmail, row: Any) -> None:
    system = platform_system("worker")
    told = log.bind(account_email_id=str(row.id), kind=row.kind)
    try:
        receipt = services.mailer.deliver(email)
    except MailerUnavailable as problem:
        run(services.db, system, note_trouble, row.id, str(problem))
        told.warning("account_email.not_handed_over", problem=str(problem))
        raise Busy(f"The e-mail could not be handed over: {problem}") from problem
    except (AddressRefused, EmailRefused) as refusal:
        outcome = Settlement(AccountEmailStatus.FAILED, problem=str(refusal))
        told.warning("account_email.refused", problem=str(refusal))
    else:
        outcome = Settlement(AccountEmailStatus.SENT, provider_id=receipt.provider_id)
        told.info("account_email.sent", provider_id=receipt.provider_id)
    run(services.db, system, settle, row.id, email.to_address, outcome)


def _acting_for(user: Any, envelope: Envelope) -> Actor | PlatformActor:
    """The worker, in the audit chain of the user's tenant, or of the platform."""
    if user.tenant_id is not None:
        return Actor.system(
            user.tenant_id, envelope.correlation_id, causation_id=str(envelope.message_id)
        )
    return PlatformActor("worker", envelope.correlation_id)
