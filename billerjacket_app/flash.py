"""What a form post says to the page it sends the browser back to: a short-lived HttpOnly cookie.

The problem, its fields and what was typed (never a password) travel in it, so none of that stands
in the address or in a log. The page reads it once at load; it is gone after a minute.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

COOKIE = "billerjacket_flash"
SECONDS = 60
# A cookie holds 4 KB; what does not fit is cut, never refused.
_TEXT_MAX = 300


@dataclass(frozen=True)
class Flash:
    """A form's refusal: for which form, what is wrong, and what had been typed."""

    form: str = ""
    problem: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)


def encode(flash: Flash) -> str:
    """The cookie's value."""
    content = {
        "form": flash.form,
        "problem": flash.problem[:_TEXT_MAX],
        "errors": {key: text[:_TEXT_MAX] for key, text in flash.errors.items()},
        "typed": {key: text[:_TEXT_MAX] for key, text in flash.typed.items()},
    }
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def decode(cookie_header: str | None, *forms: str) -> Flash:
    """What was said to one of these forms; an empty Flash when nothing was, or it is nonsense."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(cookie_header or "")
        if COOKIE not in jar:
            return Flash()
        content = json.loads(base64.urlsafe_b64decode(jar[COOKIE].value))
        if content["form"] not in forms:
            return Flash()
        return Flash(
            str(content["form"]),
            str(content["problem"]),
            {str(key): str(text) for key, text in content["errors"].items()},
            {str(key): str(text) for key, text in content["typed"].items()},
        )
    except (CookieError, binascii.Error, ValueError, KeyError, TypeError, AttributeError):
        return Flash()
