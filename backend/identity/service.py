"""Coming in and going out: register, sign in, accept an invitation, change a password.

Password hashing takes tens of milliseconds, so it happens between transactions and never inside
one. These functions therefore take the database, not a unit of work, and block: an event loop
calls them in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import SecretStr

from backend.actor import Role
from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.errors import InvalidInput, NotAllowed, NotSignedIn, StateConflict
from backend.identity import (
    accounts,
    invitations,
    passwords,
    resets,
    sessions,
    sign_in_steps,
    throttle,
    two_factor,
)
from backend.identity.account_emails import queue_account_email
from backend.identity.account_models import AccountEmailKind, SignInKind
from backend.identity.models import USERS
from backend.identity.sessions import NewSession, SignedIn
from backend.identity.sign_in_steps import SecondStep
from backend.identity.users import add_user, hash_new_password, normalise_email
from backend.tenants.models import TenantStatus
from backend.unit_of_work import Reader, UnitOfWork, read, run

_U = USERS.c
# Only while the hash is still the one that was verified: two changes at once have one winner.
_SET_PASSWORD = PlatformStatement(
    sa.update(USERS)
    .where(_U.id == sa.bindparam("wanted"), _U.password_hash == sa.bindparam("old_hash"))
    .values(password_hash=sa.bindparam("new_hash"), version=_U.version + 1)
)
_JOIN_TENANT = PlatformStatement(
    sa.update(USERS)
    .where(_U.id == sa.bindparam("wanted"), _U.tenant_id.is_(None))
    .values(
        tenant_id=sa.bindparam("new_tenant_id", type_=_U.tenant_id.type),
        version=_U.version + 1,
    )
)


@dataclass(frozen=True, slots=True)
class RegisterUser:
    """Somebody new, who will set up a tenant next."""

    email: str
    password: str
    display_name: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the sign-in form gives. `address` is the caller's network address."""

    email: str
    password: str
    address: str
    user_agent: str = ""


def register_user(
    db: Database, command: RegisterUser, *, address: str, correlation_id: str
) -> UUID:
    """Make a user without a tenant, who becomes Admin of the tenant it sets up.

    Raises InvalidInput (also when the e-mail is taken) or TooManyRequests.
    """
    email = normalise_email(command.email)
    passwords.check_strength(command.password, email=email)
    # Counted like a sign-in: trying which addresses exist is guessing too.
    run(
        db, accounts.anonymous(correlation_id), throttle.count_attempt, email=email, address=address
    )
    password_hash = hash_new_password(command.password, email=email)
    return run(
        db,
        accounts.anonymous(correlation_id),
        _add_registered,
        email=email,
        display_name=command.display_name,
        password_hash=password_hash,
        address=address,
    )


def sign_in(
    db: Database, command: SignIn, *, correlation_id: str, leads_to: str = ""
) -> NewSession | SecondStep:
    """Start a session, or with two-factor a second step: `finish_sign_in` takes its code.

    Raises NotSignedIn, NotAllowed (shut out), or TooManyRequests. A wrong e-mail and a wrong
    password look the same and take the same time. `leads_to` is kept for the second step.
    """
    email = command.email.strip().lower()
    anonymous = accounts.anonymous(correlation_id)
    run(db, anonymous, throttle.count_attempt, email=email, address=command.address)
    user = read(db, anonymous, accounts.find_by_email, email)
    verdict = passwords.verify_password(command.password, user.password_hash if user else None)
    if user is None or not verdict.ok:
        raise NotSignedIn("The e-mail address or the password is wrong.", code="bad_credentials")
    refuse_shut_out(user)
    actor = accounts.actor_of(user, correlation_id)
    return run(db, actor, _pass_first_step, user, command, verdict.new_hash, leads_to)


def finish_sign_in(
    db: Database,
    token: str,
    code: str,
    *,
    secret_key: SecretStr,
    address: str,
    user_agent: str,
    correlation_id: str,
) -> NewSession:
    """Start the session of a second step with a code of the authenticator or a recovery code.

    Raises NotSignedIn when there is no such step any more, InvalidInput for a wrong code,
    NotAllowed (shut out), or TooManyRequests.
    """
    anonymous = accounts.anonymous(correlation_id)
    user = read(db, anonymous, _find_by_step, token)
    if user is None:
        raise NotSignedIn("That took too long. Please sign in again.", code="step_over")
    refuse_shut_out(user)
    actor = accounts.actor_of(user, correlation_id)
    run(db, actor, throttle.count_code, user.id, address=address)
    command = SignIn(user.email, "", address, user_agent)
    return run(db, actor, _pass_second_step, user, token, code, command, secret_key)


def refuse_shut_out(user: Any) -> None:
    """Raise NotAllowed for a user who was shut out, or whose tenant is not active."""
    if not user.is_active:
        raise NotAllowed("This user has been shut out.", code="user_inactive")
    if user.tenant_status is TenantStatus.INACTIVE:
        raise NotAllowed("This tenant is not active.", code="tenant_inactive")


def sign_out(work: UnitOfWork, token: str) -> None:
    """End the session of this token; an unknown one is no error."""
    signed_in = sessions.find_session(work, token)
    if signed_in is not None:
        sessions.revoke_session(work, token)
        work.record("user.signed_out", "user", signed_in.user_id)


def change_password(
    db: Database, session: SignedIn, *, current: str, new: str, address: str, correlation_id: str
) -> None:
    """Change one's own password and end one's other sessions.

    Raises InvalidInput when `current` is wrong or `new` is too weak, or TooManyRequests.
    """
    actor = session.actor(correlation_id)
    run(db, actor, throttle.count_attempt, email=session.email, address=address)
    user = read(db, actor, accounts.get_by_id, session.user_id)
    if not passwords.verify_password(current, user.password_hash).ok:
        raise InvalidInput.of("current_password", "is wrong", code="bad_credentials")
    new_hash = hash_new_password(new, email=user.email, field="new_password")
    run(db, actor, _change_password, user, new_hash, session.token_digest, address)


def accept_invitation(
    db: Database, *, secret_key: SecretStr, token: str, password: str, correlation_id: str
) -> str:
    """Choose a password with an invitation's token; the e-mail address to sign in with.

    Raises InvalidInput for a token that is not ours, has ended or was used, and for a password
    that is too weak.
    """
    anonymous = accounts.anonymous(correlation_id)
    user_id = invitations.read_user_of(token)
    user = read(db, anonymous, accounts.find_by_id, user_id) if user_id else None
    now = db.clock()
    if (
        user is None
        or not user.is_active
        or user.password_hash != passwords.UNUSABLE
        or not invitations.is_valid_invitation(secret_key, token, user.password_hash, now=now)
    ):
        raise InvalidInput.of("invitation", "is not valid, or no longer; please ask for a new one")
    new_hash = hash_new_password(password, email=user.email)
    run(db, accounts.actor_of(user, correlation_id), _set_password, user, new_hash, "user.joined")
    email: str = user.email
    return email


def join_tenant(work: UnitOfWork, tenant_id: UUID) -> None:
    """Make the acting user, who has no tenant, a member of this new one. Raises StateConflict."""
    user_id = work.actor.user_id
    if (
        user_id is None
        or work.actor.role is Role.SUPERADMIN
        or not work.execute(_JOIN_TENANT, wanted=user_id, new_tenant_id=tenant_id)
    ):
        raise StateConflict("This user cannot set up a tenant.", code="has_tenant")


def _add_registered(
    work: UnitOfWork, *, email: str, display_name: str, password_hash: str, address: str
) -> UUID:
    user_id = add_user(
        work,
        email=email,
        display_name=display_name,
        role=Role.ADMIN,
        tenant_id=None,
        password_hash=password_hash,
    )
    throttle.forgive(work, email=email, address=address)
    work.record("user.registered", "user", user_id, after={"email": email})
    return user_id


def _pass_first_step(
    work: UnitOfWork, user: Any, command: SignIn, new_hash: str | None, leads_to: str
) -> NewSession | SecondStep:
    if new_hash is not None:
        work.execute(_SET_PASSWORD, wanted=user.id, old_hash=user.password_hash, new_hash=new_hash)
    throttle.forgive(work, email=user.email, address=command.address)
    if two_factor.is_on(work, user.id):
        token = sign_in_steps.begin_step(work, SignInKind.CODE, leads_to=leads_to, user_id=user.id)
        return SecondStep(token, user.id, work.now + sign_in_steps.LIFETIME)
    return start_audited_session(work, user, command, by="password")


def _pass_second_step(
    work: UnitOfWork, user: Any, token: str, code: str, command: SignIn, secret_key: SecretStr
) -> NewSession:
    kind = two_factor.take_code(work, user.id, code, secret_key=secret_key)
    if kind is None:
        raise InvalidInput.of("code", "is wrong, or was used already", code="bad_code")
    if not sign_in_steps.take_step(work, SignInKind.CODE, token):
        raise NotSignedIn("That took too long. Please sign in again.", code="step_over")
    throttle.forgive_codes(work, user.id)
    return start_audited_session(work, user, command, by=f"password and {kind} code")


def start_audited_session(work: UnitOfWork, user: Any, command: SignIn, *, by: str) -> NewSession:
    """Start the session of a verified user, and record from where and by what."""
    session = sessions.start_session(
        work, user.id, address=command.address, user_agent=command.user_agent
    )
    after = {"address": command.address, "by": by}
    work.record("user.signed_in", "user", user.id, after=after)
    return session


def _find_by_step(reader: Reader, token: str) -> Any | None:
    step = sign_in_steps.find_step(reader, SignInKind.CODE, token)
    return accounts.find_by_id(reader, step.user_id) if step is not None else None


def _change_password(
    work: UnitOfWork, user: Any, new_hash: str, token_digest: str, address: str
) -> None:
    _set_password(work, user, new_hash, "user.password_changed")
    sessions.revoke_sessions_of(work, user.id, except_digest=token_digest)
    sign_in_steps.end_steps_of(work, user.id)
    resets.use_up_resets_of(work, user.id)
    throttle.forgive(work, email=user.email, address=address)
    queue_account_email(
        work, AccountEmailKind.PASSWORD_CHANGED, to_address=user.email, user_id=user.id
    )


def _set_password(work: UnitOfWork, user: Any, new_hash: str, action: str) -> None:
    if not work.execute(
        _SET_PASSWORD, wanted=user.id, old_hash=user.password_hash, new_hash=new_hash
    ):
        raise StateConflict("The password was changed meanwhile.", code="password_changed")
    work.record(action, "user", user.id)
