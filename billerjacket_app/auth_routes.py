"""Signing in, out and up by native form posts: an answer to one can set an HttpOnly cookie.

Each route checks that the form came from our own pages, does its one thing, and sends the browser
on with 303. A refusal goes back to the form in a short-lived cookie (see flash.py).
"""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse

from backend import onboarding
from backend.actor import Actor, platform_system
from backend.errors import BillerJacketError, NotSignedIn
from backend.identity import resets, sign_in_steps
from backend.identity import service as identity
from backend.identity.account_models import SignInKind
from backend.identity.accounts import anonymous
from backend.ids import new_id
from backend.unit_of_work import run_async
from billerjacket_app import account_routes, bridge, entra_routes, routes
from billerjacket_app.flash import Flash
from billerjacket_app.posts import (
    Blank,
    CrossOrigin,
    OwnForm,
    Text,
    address_of,
    agent_of,
    back,
    field_errors,
    said_of,
    second_step,
    set_cookie,
    signed_in,
)
from billerjacket_app.session import COOKIE, STEP_COOKIE, person_of

# The token of a link that was refused once, for the next try with another password.
RESET_COOKIE = "billerjacket_reset"
_RESET_PATH = "/auth/reset-password"

auth = FastAPI(title="Sign-in", docs_url=None, redoc_url=None, openapi_url=None)
auth.include_router(account_routes.router)
auth.include_router(entra_routes.router)


@auth.exception_handler(CrossOrigin)
def _refuse_cross_origin(_request: Request, _error: CrossOrigin) -> JSONResponse:
    return JSONResponse({"detail": "This form was sent from another site."}, 403)


@auth.post("/auth/login", dependencies=[OwnForm])
async def login(
    request: Request, email: Text = "", password: Text = "", then: Blank = ""
) -> RedirectResponse:
    """Start a session, or ask for a code, and lead on to where the person wanted to go."""
    command = identity.SignIn(email, password, address_of(request), agent_of(request))
    target = routes.safe_next(then)
    try:
        found = await asyncio.to_thread(
            identity.sign_in,
            bridge.services().db,
            command,
            correlation_id=new_id().hex,
            leads_to=target,
        )
    except BillerJacketError as error:
        return back(routes.login(then=target), Flash("login", said_of(error), {}, {"email": email}))
    if isinstance(found, sign_in_steps.SecondStep):
        return second_step(found, routes.login(then=target))
    return signed_in(found, target)


@auth.post("/auth/code", dependencies=[OwnForm])
async def code(request: Request, code: Text = "", then: Blank = "") -> RedirectResponse:
    """Take the code of the second step and start the session."""
    services, target = bridge.services(), routes.safe_next(then)
    try:
        session = await asyncio.to_thread(
            identity.finish_sign_in,
            services.db,
            request.cookies.get(STEP_COOKIE, ""),
            code,
            secret_key=services.settings.secret_key,
            address=address_of(request),
            user_agent=agent_of(request),
            correlation_id=new_id().hex,
        )
    except NotSignedIn as error:
        return _start_again(target, Flash("login", said_of(error)))
    except BillerJacketError as error:
        said = Flash("code", said_of(error), field_errors(error))
        return back(routes.login(then=target), said)
    return signed_in(session, target)


@auth.post("/auth/start-again", dependencies=[OwnForm])
async def start_again(request: Request, then: Blank = "") -> RedirectResponse:
    """Leave the second step, and ask for e-mail and password again."""
    token = request.cookies.get(STEP_COOKIE)
    if token:
        await run_async(
            bridge.services().db,
            platform_system("app"),
            sign_in_steps.take_step,
            SignInKind.CODE,
            token,
        )
    return _start_again(routes.safe_next(then), Flash())


@auth.post("/auth/forgot-password", dependencies=[OwnForm])
async def forgot_password(request: Request, email: Text = "") -> RedirectResponse:
    """Ask for a link by e-mail. The answer is the same, whoever's address it is."""
    try:
        await run_async(
            bridge.services().db,
            anonymous(new_id().hex),
            resets.request_password_reset,
            email,
            address=address_of(request),
        )
    except BillerJacketError as error:
        said = Flash("forgot", said_of(error), {}, {"email": email})
        return back(routes.FORGOT_PASSWORD, said)
    return back(routes.FORGOT_PASSWORD, Flash("forgot-done", "sent"))


@auth.post(_RESET_PATH, dependencies=[OwnForm])
async def reset_password(
    request: Request, token: Text = "", password: Text = ""
) -> RedirectResponse:
    """Choose a new password with the token of a link, and lead to the sign-in page."""
    token = token or request.cookies.get(RESET_COOKIE, "")
    try:
        email = await asyncio.to_thread(
            resets.redeem_password_reset,
            bridge.services().db,
            token=token,
            password=password,
            address=address_of(request),
            correlation_id=new_id().hex,
        )
    except BillerJacketError as error:
        errors = field_errors(error)
        said = errors.pop("token", "") or said_of(error)
        response = back(routes.RESET_PASSWORD, Flash("reset", said, errors))
        seconds = int(resets.LIFETIME.total_seconds())
        set_cookie(response, RESET_COOKIE, token, seconds=seconds, path=_RESET_PATH)
        return response
    response = back(routes.LOGIN, Flash("login-done", "reset", {}, {"email": email}))
    response.delete_cookie(RESET_COOKIE, path=_RESET_PATH)
    response.delete_cookie(STEP_COOKIE, path="/")
    response.delete_cookie(COOKIE, path="/")
    return response


@auth.post("/auth/logout", dependencies=[OwnForm])
async def logout(request: Request) -> RedirectResponse:
    """End the session, in the database and in this browser."""
    token = request.cookies.get(COOKIE)
    if token:
        await run_async(bridge.services().db, platform_system("app"), identity.sign_out, token)
    response = RedirectResponse(routes.LOGIN, 303)
    response.delete_cookie(COOKIE, path="/")
    return response


@auth.post("/auth/register", dependencies=[OwnForm])
async def register(
    request: Request, email: Text = "", password: Text = "", display_name: Text = ""
) -> RedirectResponse:
    """Make a user, sign in, and lead on to setting up the business."""
    db, address, correlation_id = bridge.services().db, address_of(request), new_id().hex
    try:
        await asyncio.to_thread(
            identity.register_user,
            db,
            identity.RegisterUser(email, password, display_name),
            address=address,
            correlation_id=correlation_id,
        )
        session = await asyncio.to_thread(
            identity.sign_in,
            db,
            identity.SignIn(email, password, address, agent_of(request)),
            correlation_id=correlation_id,
        )
    except BillerJacketError as error:
        typed = {"email": email, "display_name": display_name}
        return back(routes.REGISTER, Flash("register", said_of(error), field_errors(error), typed))
    if isinstance(session, sign_in_steps.SecondStep):
        return second_step(session, routes.login(then=routes.SETUP))
    return signed_in(session, routes.SETUP)


@auth.post("/auth/setup", dependencies=[OwnForm])
async def setup(
    request: Request, name: Text = "", currency_code: Text = "", time_zone: Text = ""
) -> RedirectResponse:
    """Set up the business of somebody who has registered."""
    db = bridge.services().db
    person = await person_of(db, request.headers.get("cookie"))
    if person is None:
        return RedirectResponse(routes.login(then=routes.SETUP), 303)
    actor = person.actor(new_id().hex)
    if isinstance(actor, Actor) or not person.needs_set_up:
        return RedirectResponse(routes.DASHBOARD, 303)
    try:
        await run_async(
            db,
            actor,
            onboarding.set_up_tenant,
            onboarding.SetUpTenant(name, currency_code, time_zone),
        )
    except BillerJacketError as error:
        typed = {"name": name, "currency_code": currency_code, "time_zone": time_zone}
        return back(routes.SETUP, Flash("setup", said_of(error), field_errors(error), typed))
    return RedirectResponse(routes.DASHBOARD, 303)


def _start_again(target: str, said: Flash) -> RedirectResponse:
    response = back(routes.login(then=target), said)
    response.delete_cookie(STEP_COOKIE, path="/")
    return response
