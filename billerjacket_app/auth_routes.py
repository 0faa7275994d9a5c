"""Signing in, out and up by native form posts: an answer to one can set an HttpOnly cookie.

Each route checks that the form came from our own pages, does its one thing, and sends the browser
on with 303. A refusal goes back to the form in a short-lived cookie (see flash.py).
"""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse

from backend import onboarding
from backend.actor import Actor, platform_system
from backend.errors import BillerJacketError, InvalidInput, NotAllowed, TooManyRequests
from backend.identity import service as identity
from backend.identity import sessions
from backend.ids import new_id
from backend.unit_of_work import run_async
from billerjacket_app import bridge, flash, routes
from billerjacket_app.flash import Flash
from billerjacket_app.session import COOKIE, person_of

Text = Annotated[str, Form(max_length=500)]
Blank = Annotated[str, Form(max_length=2000)]

auth = FastAPI(title="Sign-in", docs_url=None, redoc_url=None, openapi_url=None)


class _CrossOrigin(Exception):
    """A form from another site."""


@auth.exception_handler(_CrossOrigin)
def _refuse_cross_origin(_request: Request, _error: _CrossOrigin) -> JSONResponse:
    return JSONResponse({"detail": "This form was sent from another site."}, 403)


def _same_origin(request: Request) -> None:
    """Browsers name the origin of every post; another than ours is another site's form."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    own = {request.headers.get("host"), urlsplit(bridge.services().settings.public_url).netloc}
    if (origin is not None and urlsplit(origin).netloc not in own) or site == "cross-site":
        raise _CrossOrigin


OwnForm = Depends(_same_origin)


@auth.post("/auth/login", dependencies=[OwnForm])
async def login(
    request: Request, email: Text = "", password: Text = "", then: Blank = ""
) -> RedirectResponse:
    """Start a session and lead on to where the person wanted to go."""
    command = identity.SignIn(email, password, _address(request), _agent(request))
    try:
        session = await asyncio.to_thread(
            identity.sign_in, bridge.services().db, command, correlation_id=new_id().hex
        )
    except BillerJacketError as error:
        back = routes.login(then=routes.safe_next(then))
        return _back(back, Flash("login", _said(error), {}, {"email": email}))
    return _signed_in(session, routes.safe_next(then))


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
    db, address, correlation_id = bridge.services().db, _address(request), new_id().hex
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
            identity.SignIn(email, password, address, _agent(request)),
            correlation_id=correlation_id,
        )
    except BillerJacketError as error:
        typed = {"email": email, "display_name": display_name}
        return _back(routes.REGISTER, Flash("register", _said(error), _field_errors(error), typed))
    return _signed_in(session, routes.SETUP)


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
        return _back(routes.SETUP, Flash("setup", _said(error), _field_errors(error), typed))
    return RedirectResponse(routes.DASHBOARD, 303)


def _signed_in(session: sessions.NewSession, target: str) -> RedirectResponse:
    response = RedirectResponse(target, 303)
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(sessions.LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        secure=bridge.services().settings.public_url.startswith("https:"),
        samesite="lax",
    )
    response.delete_cookie(flash.COOKIE, path="/")
    return response


def _back(href: str, said: Flash) -> RedirectResponse:
    response = RedirectResponse(href, 303)
    response.set_cookie(
        flash.COOKIE,
        flash.encode(said),
        max_age=flash.SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
    )
    return response


def _said(error: BillerJacketError) -> str:
    if isinstance(error, TooManyRequests):
        seconds = error.retry_after_seconds
        wait = f"{seconds} seconds" if seconds < 90 else f"{-(-seconds // 60)} minutes"
        return f"Too many tries. Please wait {wait}."
    if isinstance(error, InvalidInput):
        return "Please check what you entered."
    if isinstance(error, NotAllowed):
        return f"{error.detail} Please ask whoever invited you."
    return error.detail


def _field_errors(error: BillerJacketError) -> dict[str, str]:
    if not isinstance(error, InvalidInput):
        return {}
    return {item.field: bridge.sentence(item.message) for item in error.errors}


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")
