"""What the platform writes to those who sign in: a link for a new password, and notices.

These texts are BillerJacket's own, the same for every tenant. None of them says more than its
reader knows already, and only the first holds a link that opens something.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup, escape

from backend.communications.templates import RenderedEmail, framed
from backend.identity.account_models import AccountEmailKind

FROM_NAME = "BillerJacket"
RESET_PATH = "/reset-password"


@dataclass(frozen=True, slots=True)
class _Text:
    subject: str
    paragraphs: tuple[str, ...]


_NOT_YOU = "If this was not you, choose a new password at once: {forgot}"
_TEXTS = {
    AccountEmailKind.PASSWORD_RESET: _Text(
        "Choose a new password",
        (
            "Somebody asked for a new password for {email}. To choose one, open this link within "
            "30 minutes. It works once:",
            "{link}",
            "If it was not you, do nothing: your password stays as it is.",
        ),
    ),
    AccountEmailKind.PASSWORD_CHANGED: _Text(
        "Your password was changed",
        ("The password of {email} was changed, and other browsers were signed out.", _NOT_YOU),
    ),
    AccountEmailKind.TWO_FACTOR_ON: _Text(
        "Two-factor sign-in is on",
        (
            "From now on {email} signs in with a code as well. Keep your recovery codes where "
            "you find them without your phone.",
            _NOT_YOU,
        ),
    ),
    AccountEmailKind.TWO_FACTOR_OFF: _Text(
        "Two-factor sign-in is off",
        ("From now on {email} signs in with the password alone.", _NOT_YOU),
    ),
}


def write_account_email(
    kind: AccountEmailKind, *, email: str, public_url: str, token: str = ""
) -> RenderedEmail:
    """The e-mail in both forms. The token stands behind the #: no server ever sees it there."""
    text = _TEXTS[kind]
    values = {
        "email": email,
        "link": f"{public_url}{RESET_PATH}#{token}",
        "forgot": f"{public_url}/forgot-password",
    }
    said = [paragraph.format(**values) for paragraph in text.paragraphs]
    subject = f"{text.subject} · {FROM_NAME}"
    body = Markup("").join(Markup("<p>{}</p>").format(_linked(part, values)) for part in said)
    html = framed(subject, body, issuer_name=FROM_NAME, issuer_lines=[])
    return RenderedEmail(subject, "\n\n".join(said) + "\n", html)


def _linked(text: str, values: dict[str, str]) -> Markup:
    """The text for HTML, with its addresses as links."""
    out = escape(text)
    for address in (values["link"], values["forgot"]):
        link = Markup('<a href="{}">{}</a>').format(address, address)
        out = out.replace(escape(address), link)
    return out
