"""What all native form posts share: whose form it is, the cookies they set, and the way back."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request
from fastapi.responses import RedirectResponse

from backend.errors import BillerJacketError, InvalidInput, NotAllowed, TooManyRequests
from backend.identity import sessions, sign_in_steps
from billerjacket_app import bridge, flash
from billerjacket_app.flash import Flash
from billerjacket_app.session import COOKIE, STEP_COOKIE

Text = Annotated[str, Form(max_length=500)]
Blank = Annotated[str, Form(max_length=2000)]


class CrossOrigin(Exception):
    """A form from another site."""


def _same_origin(request: Request) -> None:
    """Browsers name the origin of every post; another than ours is another site's form."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    own = {request.headers.get("host"), urlsplit(bridge.services().settings.public_url).netloc}
    if (origin is not None and urlsplit(origin).netloc not in own) or site == "cross-site":
        raise CrossOrigin


OwnForm = Depends(_same_origin)


def signed_in(session: sessions.NewSession, target: str) -> RedirectResponse:
    """Lead on, with the session's cookie; whatever was under way is over."""
    response = RedirectResponse(target, 303)
    set_cookie(response, COOKIE, session.token, seconds=int(sessions.LIFETIME.total_seconds()))
    response.delete_cookie(flash.COOKIE, path="/")
    response.delete_cookie(STEP_COOKIE, path="/")
    return response


def second_step(step: sign_in_steps.SecondStep, target: str) -> RedirectResponse:
    """Lead to the second step, whose token goes into a cookie of its own."""
    response = RedirectResponse(target, 303)
    seconds = int(sign_in_steps.LIFETIME.total_seconds())
    set_cookie(response, STEP_COOKIE, step.token, seconds=seconds)
    response.delete_cookie(flash.COOKIE, path="/")
    return response


def set_cookie(
    response: RedirectResponse, name: str, value: str, *, seconds: int, path: str = "/"
) -> None:
    """Set a cookie that no script reads and no other site's post carries."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        httponly=True,
        secure=bridge.services().settings.public_url.startswith("https:"),
        samesite="lax",
    )


def back(href: str, said: Flash) -> RedirectResponse:
    """Lead back to a page that says how a form was taken."""
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


def said_of(error: BillerJacketError) -> str:
    """A refusal in words."""
    if isinstance(error, TooManyRequests):
        seconds = error.retry_after_seconds
        wait = f"{seconds} seconds" if seconds < 90 else f"{-(-seconds // 60)} minutes"
        return f"Too many tries. Please wait {wait}."
    if isinstance(error, InvalidInput):
        return "Please check what you entered."
    if isinstance(error, NotAllowed) and error.code in ("user_inactive", "tenant_inactive"):
        return f"{error.detail} Please ask whoever invited you."
    return error.detail


def field_errors(error: BillerJacketError) -> dict[str, str]:
    """One sentence for each field that was wrong."""
    if not isinstance(error, InvalidInput):
        return {}
    return {item.field: bridge.sentence(item.message) for item in error.errors}


def address_of(request: Request) -> str:
    """The caller's network address."""
    return request.client.host if request.client else ""


def agent_of(request: Request) -> str:
    """What the caller's browser calls itself."""
    return request.headers.get("user-agent", "")
