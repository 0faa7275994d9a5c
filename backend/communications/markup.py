"""Which HTML an e-mail may hold: an allow-list of elements, attributes and addresses.

Mail programs throw the rest away; the pages that show an e-mail, and a tenant's own staff, should
not have to rely on that. What a template becomes is looked at, not the template: so a customer's
name that got into a tag or an address is found as well.
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

from backend.errors import InvalidInput

_TEXT = {"a", "b", "br", "em", "i", "img", "small", "span", "strong", "u"}
_BLOCKS = {"blockquote", "div", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "ul"}
_OF_TABLES = {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
_ELEMENTS = _TEXT | _BLOCKS | _OF_TABLES
_FRAME = "x-frame"
_EMPTY = {"br", "hr", "img"}
_MAY_STAY_OPEN = {"li", "p", "tbody", "td", "tfoot", "th", "thead", "tr"}
_MEANING = {"alt", "class", "dir", "href", "lang", "role", "scope", "src", "style", "title"}
_SHAPE = {"align", "bgcolor", "border", "height", "valign", "width"}
_OF_CELLS = {"cellpadding", "cellspacing", "colspan", "rowspan"}
_ATTRIBUTES = _MEANING | _SHAPE | _OF_CELLS
_SCHEMES = {
    "href": frozenset({"http", "https", "mailto", "tel"}),
    "src": frozenset({"https"}),
}


def check_markup(html: str) -> None:
    """Raise InvalidInput naming `html` and the first thing in it that an e-mail may not hold."""
    checker = _Checker()
    # A tag or comment that is left open swallows the end of the frame that follows, as here.
    checker.feed(f"<{_FRAME}>{html}</{_FRAME}>")
    checker.close()
    checker.check_end()


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._is_begun = False

    def check_end(self) -> None:
        """Nothing may be left open that would take the frame's end for its own."""
        left = [tag for tag in self._open if tag not in _MAY_STAY_OPEN]
        if left or self.rawdata:
            what = f"<{left[-1]}>" if left else "a tag"
            raise InvalidInput.of("html", f"{what} is not closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == _FRAME and not self._is_begun:
            self._is_begun = True
            self._open.append(tag)
            return
        if tag not in _ELEMENTS:
            raise InvalidInput.of("html", f"an e-mail cannot hold the element <{tag[:40]}>")
        for name, value in attrs:
            if name not in _ATTRIBUTES:
                raise InvalidInput.of("html", f"an e-mail cannot hold the attribute {name[:40]}")
            allowed = _SCHEMES.get(name)
            if allowed is not None and _scheme_of(value or "") not in allowed:
                schemes = ", ".join(sorted(allowed))
                raise InvalidInput.of("html", f"{name} must be an address of {schemes}")
            if name == "style" and _reaches_out(value or ""):
                raise InvalidInput.of("html", "a style cannot load anything")
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # Browsers take "<div/>" for "<div>".
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _EMPTY:
            return
        while self._open and self._open[-1] != tag and self._open[-1] in _MAY_STAY_OPEN:
            self._open.pop()
        if not self._open or self._open[-1] != tag:
            raise InvalidInput.of("html", f"</{tag[:40]}> closes nothing that is open")
        self._open.pop()

    def handle_decl(self, decl: str) -> None:
        raise InvalidInput.of("html", "the frame around it is BillerJacket's: no doctype")

    def unknown_decl(self, data: str) -> None:
        raise InvalidInput.of("html", "an e-mail cannot hold a CDATA section")

    def handle_pi(self, data: str) -> None:
        raise InvalidInput.of("html", "an e-mail cannot hold a processing instruction")

    def handle_comment(self, data: str) -> None:
        raise InvalidInput.of("html", "an e-mail cannot hold a comment")


def _scheme_of(address: str) -> str:
    try:
        return urlsplit(address.strip()).scheme.lower()
    except ValueError:
        return ""


def _reaches_out(style: str) -> bool:
    """A style that names an address or hides its words in escapes."""
    style = style.lower()
    return any(word in style for word in ("url(", "expression(", "@import", "\\", "image("))
