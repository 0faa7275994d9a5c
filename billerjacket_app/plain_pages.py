"""Pages that the server writes whole, for what may never pass the websocket of the other pages.

The secret of an authenticator and recovery codes are shown once, in the answer to a form, and are
kept by nobody: not by the page's state, not by a cache.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import segno
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from backend.identity.two_factor import Enrolment
from billerjacket_app import routes, theme
from billerjacket_app.build import BUILT

CONFIRM = "/auth/account/two-factor/confirm"
_QR_SCALE = 5

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · {brand}</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
{styles}<script src="/plain.js"></script>
</head>
<body>
<main class="door" id="main"><div class="card">
<div class="brand"><img src="/favicon.svg" alt="">{brand}</div>
<h1>{title}</h1>
{content}
</div></main>
</body>
</html>
""")
_PROBLEM = Markup('<div class="callout bad" role="alert"><div>{}</div></div>')
_ENROL = Markup("""{problem}
<p>Scan this with your authenticator app.</p>
<div class="qr">{qr}</div>
<p class="small muted">Or type this key into it:<br><code data-testid="secret">{secret}</code></p>
<form class="form" action="{action}" method="post">
<div class="field"><label for="f-code">Code from the app</label>
<input id="f-code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code"
 maxlength="7" required autofocus aria-describedby="f-code-hint">
<div class="hint" id="f-code-hint">Six figures, new every 30 seconds.</div></div>
<button class="btn primary wide" type="submit" data-testid="confirm-two-factor">Switch on</button>
</form>
<p class="small"><a class="link" href="{account}">Not now</a></p>""")
_CODES = Markup("""<div class="callout good" role="status"><div>{done}</div></div>
<p>Each of these recovery codes signs you in once when your authenticator is out of reach.
They are shown only now.</p>
<ul class="codes" data-testid="recovery-codes">{items}</ul>
<button class="btn wide" type="button" data-copy="{copied}">Copy the codes</button>
<div id="copied" class="small muted" role="status"></div>
<a class="btn primary wide" href="{account}" data-testid="codes-kept">I have kept them</a>""")


def enrolment_page(enrolment: Enrolment, problem: str = "") -> HTMLResponse:
    """What to scan, and a form for the first code."""
    content = _ENROL.format(
        problem=_PROBLEM.format(problem) if problem else "",
        qr=_qr_code(enrolment.uri),
        secret=" ".join(_in_fours(enrolment.secret)),
        action=CONFIRM,
        account=routes.ACCOUNT,
    )
    return _page("Set up two-factor sign-in", content)


def codes_page(codes: list[str], done: str) -> HTMLResponse:
    """Recovery codes, this once."""
    content = _CODES.format(
        done=done,
        items=Markup("").join(Markup("<li><code>{}</code></li>").format(code) for code in codes),
        copied="\n".join(codes),
        account=routes.ACCOUNT,
    )
    return _page("Your recovery codes", content)


def _page(title: str, content: Markup) -> HTMLResponse:
    html = _PAGE.format(title=title, brand=theme.BRAND, styles=_styles(), content=content)
    return HTMLResponse(html, headers={"cache-control": "no-store"})


@cache
def _styles() -> Markup:
    """The style sheets of the build, whose names say their content."""
    found: list[Any] = sorted((BUILT / "assets").glob("*.css"))
    names = [f"/assets/{sheet.name}" for sheet in found]
    link = Markup('<link rel="stylesheet" href="{}">\n')
    return Markup("").join(link.format(name) for name in names)


def _qr_code(uri: str) -> Markup:
    """The address as a picture that any camera reads, dark on white in both themes."""
    picture = segno.make_qr(uri, error="m").svg_inline(
        scale=_QR_SCALE, dark="#000", light="#fff", title="QR code for your authenticator app"
    )
    return Markup(picture)  # noqa: S704 (made by segno from an escaped address; no text in it)


def _in_fours(secret: str) -> list[str]:
    return [secret[at : at + 4] for at in range(0, len(secret), 4)]
