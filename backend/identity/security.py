"""What a person changes of its own account's safety, and what others reset for it.

Each asks for a proof of who it is not older than ten minutes (`step_up`), is audited in the
user's chain, and tells the user by e-mail. Only whoever runs the server has nothing to prove.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from pydantic import SecretStr

from backend.actor import PERMISSIONS, Action, Actor, PlatformActor, platform_system
from backend.db.engine import Database
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, NotFound, StateConflict
from backend.identity import accounts, own_sessions, sessions, sign_in_steps, throttle, two_factor
from backend.identity.account_emails import queue_account_email
from backend.identity.account_models import TWO_FACTORS, AccountEmailKind
from backend.identity.models import USERS
from backend.identity.own_sessions import OwnSession
from backend.identity.sessions import SignedIn
from backend.identity.step_up import is_recent, require_recent
from backend.identity.two_factor import Enrolment, TwoFactorView
from backend.identity.users import normalise_email
from backend.unit_of_work import Reader, UnitOfWork, read, run

_U = USERS.c
_WITH_TWO_FACTOR = Statement(
    sa.select(_U.id, _U.email, _U.display_name, TWO_FACTORS.c.confirmed_at)
    .select_from(USERS.join(TWO_FACTORS, TWO_FACTORS.c.user_id == _U.id))
    .where(_U.tenant_id == TENANT, TWO_FACTORS.c.confirmed_at.is_not(None))
    .order_by(_U.email)
)
_TEAMMATE = Statement(
    sa.select(_U.id, _U.email).where(_U.tenant_id == TENANT, _U.id == sa.bindparam("teammate_id"))
)


@dataclass(frozen=True, slots=True)
class ProtectedTeammate:
    """A user of the tenant who signs in with a code."""

    id: UUID
    email: str
    display_name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class AccountView:
    """What a person sees of its own account. `is_confirmed`: lately proved who it is."""

    two_factor: TwoFactorView
    sessions: list[OwnSession]
    teammates: list[ProtectedTeammate]
    is_confirmed: bool


def get_account(reader: Reader, session: SignedIn) -> AccountView:
    """The person's own account; an Admin sees which teammates have two-factor on, too."""
    is_admin = session.tenant_id is not None and _is_tenant_admin(session)
    return AccountView(
        two_factor=two_factor.get_two_factor(reader, session.user_id),
        sessions=own_sessions.list_own_sessions(reader, session),
        teammates=_list_protected(reader, session) if is_admin else [],
        is_confirmed=is_recent(session, reader.now),
    )


def begin_two_factor(work: UnitOfWork, session: SignedIn, *, secret_key: SecretStr) -> None:
    """Make a secret to set an authenticator up with. Raises NotAllowed, StateConflict."""
    require_recent(session, work.now)
    two_factor.begin(work, session.user_id, secret_key=secret_key)
    work.record("user.two_factor_begun", "user", session.user_id)


def get_enrolment(reader: Reader, session: SignedIn, *, secret_key: SecretStr) -> Enrolment:
    """What to scan while it is being set up. Raises NotAllowed, StateConflict."""
    require_recent(session, reader.now)
    return two_factor.read_enrolment(reader, session.user_id, session.email, secret_key=secret_key)


def confirm_two_factor(
    db: Database,
    session: SignedIn,
    code: str,
    *,
    secret_key: SecretStr,
    address: str,
    correlation_id: str,
) -> list[str]:
    """Switch two-factor on with a first code and end the other sessions; the recovery codes.

    Raises NotAllowed, StateConflict, InvalidInput for a wrong code, or TooManyRequests.
    """
    actor = session.actor(correlation_id)
    run(db, actor, throttle.count_code, session.user_id, address=address)
    return run(db, actor, _switch_on, session, code, secret_key)


def renew_recovery_codes(work: UnitOfWork, session: SignedIn) -> list[str]:
    """New recovery codes; those of before are void. Raises NotAllowed, StateConflict."""
    require_recent(session, work.now)
    if not two_factor.is_on(work, session.user_id):
        raise StateConflict("Two-factor sign-in is off.", code="two_factor_off")
    work.record("user.recovery_codes_renewed", "user", session.user_id)
    return two_factor.renew_recovery_codes(work, session.user_id)


def switch_off_two_factor(work: UnitOfWork, session: SignedIn) -> None:
    """Sign in without a code from now on; off already is no error. Raises NotAllowed."""
    require_recent(session, work.now)
    if two_factor.remove(work, session.user_id):
        work.record("user.two_factor_disabled", "user", session.user_id)
        _tell(work, AccountEmailKind.TWO_FACTOR_OFF, session.user_id, session.email)


def reset_two_factor_of(work: UnitOfWork, session: SignedIn, teammate_id: UUID) -> None:
    """Let a teammate who lost the authenticator in with the password; the sessions end.

    Raises NotAllowed, NotFound, or StateConflict for oneself and when it is off.
    """
    work.actor.require(Action.TENANT_ADMIN)
    require_recent(session, work.now)
    mate = work.first(_TEAMMATE, teammate_id=teammate_id)
    if mate is None:
        raise NotFound("There is no such teammate.", code="user_not_found")
    if teammate_id == session.user_id:
        raise StateConflict("Switch your own two-factor sign-in off instead.", code="own_account")
    _reset(work, teammate_id, mate.email)


def reset_two_factor_at_the_server(db: Database, email: str, *, who: str) -> UUID:
    """Let in with the password alone whoever has nobody to ask; the sessions end. The user's id.

    For the command line: no role in the app may do this. Raises InvalidInput, NotFound, or
    StateConflict when it is off.
    """
    platform = platform_system(who)
    user = read(db, platform, accounts.find_by_email, normalise_email(email))
    if user is None:
        raise NotFound("There is no such user.", code="user_not_found")
    actor: Actor | PlatformActor = platform
    if user.tenant_id is not None:
        actor = Actor.system(user.tenant_id, platform.correlation_id, who=who)
    run(db, actor, _reset, user.id, user.email)
    user_id: UUID = user.id
    return user_id


def _reset(work: UnitOfWork, user_id: UUID, email: str) -> None:
    if not two_factor.remove(work, user_id):
        raise StateConflict("This user has no two-factor sign-in.", code="two_factor_off")
    sessions.revoke_sessions_of(work, user_id)
    sign_in_steps.end_steps_of(work, user_id)
    work.record("user.two_factor_reset", "user", user_id, before={"email": email})
    _tell(work, AccountEmailKind.TWO_FACTOR_OFF, user_id, email)


def _switch_on(work: UnitOfWork, session: SignedIn, code: str, secret_key: SecretStr) -> list[str]:
    require_recent(session, work.now)
    if not two_factor.confirm(work, session.user_id, code, secret_key=secret_key):
        raise InvalidInput.of("code", "is wrong; please enter the newest one", code="bad_code")
    throttle.forgive_codes(work, session.user_id)
    sessions.revoke_sessions_of(work, session.user_id, except_digest=session.token_digest)
    sign_in_steps.end_steps_of(work, session.user_id)
    work.record("user.two_factor_enabled", "user", session.user_id)
    _tell(work, AccountEmailKind.TWO_FACTOR_ON, session.user_id, session.email)
    return two_factor.renew_recovery_codes(work, session.user_id)


def _tell(work: UnitOfWork, kind: AccountEmailKind, user_id: UUID, email: str) -> None:
    queue_account_email(work, kind, to_address=email, user_id=user_id)


def _is_tenant_admin(session: SignedIn) -> bool:
    return Action.TENANT_ADMIN in PERMISSIONS[session.role]


def _list_protected(reader: Reader, session: SignedIn) -> list[ProtectedTeammate]:
    return [
        ProtectedTeammate(row.id, row.email, row.display_name, row.confirmed_at)
        for row in reader.rows(_WITH_TWO_FACTOR)
        if row.id != session.user_id
    ]
