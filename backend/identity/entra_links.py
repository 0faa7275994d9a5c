"""Who of a Microsoft Entra directory signs in as which user. Nobody is made a user by it.

At the first sign-in the person is linked to the user with the same e-mail address, if there is
one; from then on the directory's own id of the person decides, whatever the addresses become.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.errors import NotAllowed, NotSignedIn
from backend.identity import accounts, sign_in_steps, throttle
from backend.identity.account_models import ENTRA_LINKS, SignInKind
from backend.identity.service import SignIn, refuse_shut_out, start_audited_session
from backend.identity.sessions import NewSession, digest_of
from backend.unit_of_work import Reader, UnitOfWork, read, run

_L = ENTRA_LINKS.c
_OF_PERSON = PlatformStatement(
    sa.select(_L.user_id).where(
        _L.directory == sa.bindparam("in_directory"), _L.object_key == sa.bindparam("person")
    )
)
_OF_USER = PlatformStatement(
    sa.select(_L.directory, _L.object_key).where(_L.user_id == sa.bindparam("of_user"))
)
_LINK = PlatformStatement(sa.insert(ENTRA_LINKS))


@dataclass(frozen=True, slots=True)
class EntraPerson:
    """Whom Microsoft has signed in, verified. `emails` are those that the directory vouches for."""

    directory: str
    object_key: str
    emails: tuple[str, ...]


def begin_entra(work: UnitOfWork, *, leads_to: str, address: str) -> str:
    """Keep that a browser goes to Microsoft and comes back within ten minutes; its token.

    Raises TooManyRequests for too many from one network address.
    """
    token = sign_in_steps.begin_step(work, SignInKind.ENTRA, leads_to=leads_to)
    throttle.count_attempt(work, email=f"entra:{digest_of(token)}", address=address)
    return token


def take_entra(work: UnitOfWork, token: str | None) -> str:
    """End the way to Microsoft, which can be done once; where the person wanted to go.

    Raises NotSignedIn when it has ended, or was never begun in this browser.
    """
    step = sign_in_steps.find_step(work, SignInKind.ENTRA, token)
    if step is None or not sign_in_steps.take_step(work, SignInKind.ENTRA, token or ""):
        raise NotSignedIn("That took too long. Please sign in again.", code="step_over")
    leads_to: str = step.leads_to
    return leads_to


def sign_in_with_entra(
    db: Database,
    person: EntraPerson,
    token: str,
    *,
    address: str,
    user_agent: str,
    correlation_id: str,
) -> NewSession:
    """Start the session of a verified person; two-factor is the directory's matter.

    Raises NotAllowed for a person who is no user, or was shut out.
    """
    user = read(db, accounts.anonymous(correlation_id), _find_user, person)
    if user is None:
        raise NotAllowed("This Microsoft account belongs to no user here.", code="entra_unknown")
    refuse_shut_out(user)
    command = SignIn(user.email, "", address, user_agent)
    actor = accounts.actor_of(user, correlation_id)
    return run(db, actor, _link_and_start, user, person, token, command)


def is_linked(reader: Reader, user_id: UUID) -> bool:
    """Whether this user signs in with Microsoft."""
    return reader.first(_OF_USER, of_user=user_id) is not None


def _find_user(reader: Reader, person: EntraPerson) -> Any | None:
    link = reader.first(_OF_PERSON, in_directory=person.directory, person=person.object_key)
    if link is not None:
        return accounts.find_by_id(reader, link.user_id)
    found = (accounts.find_by_email(reader, email) for email in person.emails)
    return next((user for user in found if user is not None), None)


def _link_and_start(
    work: UnitOfWork, user: Any, person: EntraPerson, token: str, command: SignIn
) -> NewSession:
    throttle.forgive(work, email=f"entra:{digest_of(token)}", address=command.address)
    link = work.first(_OF_USER, of_user=user.id)
    if link is None:
        work.execute(
            _LINK,
            user_id=user.id,
            directory=person.directory,
            object_key=person.object_key,
            created_at=work.now,
        )
        work.record("user.entra_linked", "user", user.id, after={"object": person.object_key})
    elif (link.directory, link.object_key) != (person.directory, person.object_key):
        raise NotAllowed(
            "This user signs in with another Microsoft account.", code="entra_other_account"
        )
    return start_audited_session(work, user, command, by="microsoft")
