"""The way to Microsoft and back: two addresses that a browser visits, and nothing else.

The browser carries a token and the sealed state, nonce and code verifier in one cookie that goes
to these addresses only. A way can be ended once: the same answer sent again finds nothing.
"""

from __future__ import annotations

import asyncio
from functools import cache

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from backend.errors import BillerJacketError, NotFound
from backend.identity import entra_links, sign_in_steps
from backend.identity.accounts import anonymous
from backend.ids import new_id
from backend.unit_of_work import run_async
from billerjacket_app import bridge, routes
from billerjacket_app.entra import EntraSignIn
from billerjacket_app.flash import Flash
from billerjacket_app.posts import address_of, agent_of, back, said_of, set_cookie, signed_in

BEGIN = "/auth/entra"
# Registered at Microsoft, exactly so, behind the public address.
CALLBACK = "/auth/entra/callback"
COOKIE = "billerjacket_entra"

router = APIRouter()


@cache
def _entra() -> EntraSignIn:
    settings = bridge.services().settings
    directory = settings.entra
    if directory is None:
        raise NotFound("Sign-in with Microsoft is not set up.", code="entra_off")
    redirect_uri = settings.public_url + CALLBACK
    return EntraSignIn(directory, settings.secret_key, redirect_uri=redirect_uri)


@router.get(BEGIN)
async def begin(request: Request, next: str = "") -> RedirectResponse:  # noqa: A002 (its name)
    """Send the browser to Microsoft."""
    target = routes.safe_next(next[:2000])
    try:
        entra = _entra()
        token = await run_async(
            bridge.services().db,
            anonymous(new_id().hex),
            entra_links.begin_entra,
            leads_to=target,
            address=address_of(request),
        )
        flow = await asyncio.to_thread(entra.begin, token)
    except BillerJacketError as error:
        return back(routes.login(then=target), Flash("login", said_of(error)))
    response = RedirectResponse(flow.address, 303)
    seconds = int(sign_in_steps.LIFETIME.total_seconds())
    set_cookie(response, COOKIE, f"{token}.{flow.sealed}", seconds=seconds, path=BEGIN)
    return response


@router.get(CALLBACK)
async def callback(request: Request) -> RedirectResponse:
    """Take the browser back from Microsoft and start the session of who it is."""
    db, correlation_id = bridge.services().db, new_id().hex
    token, _, sealed = request.cookies.get(COOKIE, "").partition(".")
    target = routes.DASHBOARD
    try:
        target = await run_async(db, anonymous(correlation_id), entra_links.take_entra, token)
        person = await asyncio.to_thread(_entra().finish, token, sealed, dict(request.query_params))
        session = await asyncio.to_thread(
            entra_links.sign_in_with_entra,
            db,
            person,
            token,
            address=address_of(request),
            user_agent=agent_of(request),
            correlation_id=correlation_id,
        )
    except BillerJacketError as error:
        response = back(routes.login(then=target), Flash("login", said_of(error)))
    else:
        response = signed_in(session, target)
    response.delete_cookie(COOKIE, path=BEGIN)
    return response
