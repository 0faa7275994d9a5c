"""What a person changes of its own account, by native form posts from /account.

Secrets and recovery codes are answers to these posts and pass no websocket. Each route finds the
person by the session's cookie; the services ask for a recent proof of who it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from backend.errors import BillerJacketError, InvalidInput, NotFound
from backend.identity import own_sessions, security, step_up
from backend.identity import service as identity
from backend.identity.sessions import SignedIn
from backend.ids import new_id
from backend.unit_of_work import read_async, run_async
from billerjacket_app import bridge, plain_pages, routes
from billerjacket_app.flash import Flash
from billerjacket_app.posts import OwnForm, Text, address_of, back, field_errors, said_of
from billerjacket_app.session import person_of

ENROL = "/auth/account/two-factor"

router = APIRouter()


async def _person(request: Request) -> SignedIn | None:
    return await person_of(bridge.services().db, request.headers.get("cookie"))


Person = Annotated[SignedIn | None, Depends(_person)]


@router.post("/auth/account/confirm", dependencies=[OwnForm])
async def confirm(request: Request, person: Person, proof: Text = "") -> Response:
    """Take the password or a code as the proof of who it is."""
    if person is None:
        return _sign_in_first()
    services = bridge.services()
    try:
        await asyncio.to_thread(
            step_up.confirm_identity,
            services.db,
            person,
            proof=proof,
            secret_key=services.settings.secret_key,
            address=address_of(request),
            correlation_id=new_id().hex,
        )
    except BillerJacketError as error:
        return _refused("confirm", error)
    return _done("Thank you. For the next ten minutes you can change how you sign in.")


@router.post("/auth/account/password", dependencies=[OwnForm])
async def change_password(
    request: Request, person: Person, current_password: Text = "", new_password: Text = ""
) -> Response:
    """Change the password and end the other sessions."""
    if person is None:
        return _sign_in_first()
    try:
        await asyncio.to_thread(
            identity.change_password,
            bridge.services().db,
            person,
            current=current_password,
            new=new_password,
            address=address_of(request),
            correlation_id=new_id().hex,
        )
    except BillerJacketError as error:
        return _refused("password", error)
    return _done("Your password is changed. Other browsers were signed out.")


@router.post("/auth/account/sessions/end", dependencies=[OwnForm])
async def end_session(person: Person, number: Text = "") -> Response:
    """End one of the person's sessions."""
    return await _change(
        person,
        "sessions",
        "That browser is signed out.",
        own_sessions.end_own_session,
        int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0,
    )


@router.post("/auth/account/sessions/end-others", dependencies=[OwnForm])
async def end_other_sessions(person: Person) -> Response:
    """Sign the person out everywhere else."""
    said = "You are signed out everywhere else."
    return await _change(person, "sessions", said, own_sessions.end_other_sessions)


@router.post(ENROL, dependencies=[OwnForm])
async def begin_two_factor(person: Person) -> Response:
    """Make a secret, and lead to the page that shows it."""
    return await _change(
        person,
        "two-factor",
        "",
        security.begin_two_factor,
        secret_key=bridge.services().settings.secret_key,
        leads_to=ENROL,
    )


@router.get(ENROL)
async def enrolment(person: Person) -> Response:
    """What to scan, while it is being set up."""
    if person is None:
        return _sign_in_first()
    return await _enrolment(person, "")


@router.post(plain_pages.CONFIRM, dependencies=[OwnForm])
async def confirm_two_factor(request: Request, person: Person, code: Text = "") -> Response:
    """Switch two-factor on with the first code; the recovery codes, this once."""
    if person is None:
        return _sign_in_first()
    services = bridge.services()
    try:
        codes = await asyncio.to_thread(
            security.confirm_two_factor,
            services.db,
            person,
            code,
            secret_key=services.settings.secret_key,
            address=address_of(request),
            correlation_id=new_id().hex,
        )
    except InvalidInput as error:
        return await _enrolment(person, f"The code {error.errors[0].message}.")
    except BillerJacketError as error:
        return _refused("two-factor", error)
    return plain_pages.codes_page(codes, "Two-factor sign-in is on.")


@router.post("/auth/account/recovery-codes", dependencies=[OwnForm])
async def renew_recovery_codes(person: Person) -> Response:
    """New recovery codes, this once."""
    if person is None:
        return _sign_in_first()
    try:
        codes = await run_async(
            bridge.services().db,
            person.actor(new_id().hex),
            security.renew_recovery_codes,
            person,
        )
    except BillerJacketError as error:
        return _refused("two-factor", error)
    return plain_pages.codes_page(codes, "The recovery codes of before are void.")


@router.post("/auth/account/two-factor/off", dependencies=[OwnForm])
async def switch_off_two_factor(person: Person) -> Response:
    """Sign in with the password alone from now on."""
    said = "Two-factor sign-in is off."
    return await _change(person, "two-factor", said, security.switch_off_two_factor)


@router.post("/auth/account/teammates/reset-two-factor", dependencies=[OwnForm])
async def reset_two_factor_of(person: Person, user_id: Text = "") -> Response:
    """Reset a teammate's two-factor sign-in."""
    try:
        wanted = UUID(user_id)
    except ValueError:
        error = NotFound("There is no such teammate.", code="user_not_found")
        return _refused("team", error) if person is not None else _sign_in_first()
    said = "Two-factor sign-in of this teammate is off; the sessions have ended."
    return await _change(person, "team", said, security.reset_two_factor_of, wanted)


async def _change(
    person: SignedIn | None,
    form: str,
    said: str,
    use_case: Callable[..., Any],
    *args: Any,
    leads_to: str = "",
    **kwargs: Any,
) -> Response:
    if person is None:
        return _sign_in_first()
    actor = person.actor(new_id().hex)
    try:
        await run_async(bridge.services().db, actor, use_case, person, *args, **kwargs)
    except BillerJacketError as error:
        return _refused(form, error)
    return RedirectResponse(leads_to, 303) if leads_to else _done(said)


async def _enrolment(person: SignedIn, problem: str) -> Response:
    services = bridge.services()
    try:
        found = await read_async(
            services.db,
            person.actor(new_id().hex),
            security.get_enrolment,
            person,
            secret_key=services.settings.secret_key,
        )
    except BillerJacketError as error:
        return _refused("two-factor", error)
    return plain_pages.enrolment_page(found, problem)


def _sign_in_first() -> Response:
    return RedirectResponse(routes.login(then=routes.ACCOUNT), 303)


def _done(said: str) -> Response:
    return back(routes.ACCOUNT, Flash("account-done", said))


def _refused(form: str, error: BillerJacketError) -> Response:
    return back(routes.ACCOUNT, Flash(f"account-{form}", said_of(error), field_errors(error)))
