"""E-mail templates: a subject, a text and an HTML part, rendered from plain values.

Templates are editable by tenants, so they are held to a small, safe part of Jinja2: values, `if`,
`for` over a list that was given, and a few filters. There is no way to call anything, to loop
without end, to reach Python, or to put unescaped text into the HTML. Defaults live in
`default_templates/`; the frame around every HTML part is `email_layout.html`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined, Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from backend.communications.markup import check_markup
from backend.communications.wording import clean_text, single_line
from backend.errors import InvalidInput

_HERE = Path(__file__).parent

SUBJECT_CHARACTERS_MAX = 200  # mail programs show some 70; more is cut off with an ellipsis
SOURCE_CHARACTERS_MAX = 20_000
OUTPUT_CHARACTERS_MAX = 400_000  # Gmail clips at about 100 KB; a runaway template ends here
LIST_ITEMS_MAX = 200
LOOPS_NESTED_MAX = 2
LOOPS_MAX = 10  # with the nesting: at most LOOPS_MAX · LIST_ITEMS_MAX² steps, some 50 ms
SEPARATOR_CHARACTERS_MAX = 20

_NODES: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.If,
    nodes.For,
    nodes.Filter,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
)
# What filling in a template can end with: wrong types, a list that is too long, a number too large.
_WRONG_IN_USE: Final = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
_FILTERS: Final = ("capitalize", "first", "join", "last", "length", "lower", "trim", "upper")
_OF_A_LOOP: Final = frozenset({"index", "index0", "first", "last", "length"})
_LISTED: Final = "listed"  # put around what a loop runs over; no template can name it
_TESTS: Final = ("defined", "eq", "ne", "gt", "ge", "lt", "le", "none")


class TemplateKey(StrEnum):
    """The e-mails BillerJacket sends."""

    INVOICE = "invoice"
    RECEIPT = "receipt"
    FRIENDLY_REMINDER = "friendly_reminder"
    OVERDUE_NOTICE = "overdue_notice"
    FINAL_WARNING = "final_warning"
    LAST_CALL = "last_call"


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template as its author wrote it, in three parts."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """An e-mail ready to be sent: a one-line subject and the body in both forms."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table, with an optional quieter second line."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A value that becomes a table in the HTML part and one line per row in the text part."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text_rows: tuple[str, ...]


Value = str | int | Table | list["Value"] | dict[str, "Value"]


_KNOWN: Final = {str(key): key for key in TemplateKey}


def known_key(key: str) -> TemplateKey | None:
    """The e-mail that BillerJacket comes with under this key; None for a tenant's own reminder."""
    return _KNOWN.get(key)


# The neutral one of the four: what a reminder of the tenant's own falls back on.
_REMINDER: Final = TemplateKey.OVERDUE_NOTICE


def default_template(key: str) -> TemplateSource:
    """The template that a tenant has until it writes its own, for any other key a reminder."""
    return _defaults()[known_key(key) or _REMINDER]


def check_template(source: TemplateSource) -> None:
    """Raise InvalidInput naming the part (subject, text, html) that is not a permitted template."""
    _compiled(source.subject, "subject")
    _compiled(source.text, "text")
    _compiled(source.html, "html")


def render(
    key: str, context: Mapping[str, Value], source: TemplateSource | None = None
) -> RenderedEmail:
    """The e-mail that a template makes of these values; without a source, the default template.

    The context must hold `issuer_name` and `issuer_lines`, which the frame of the HTML shows.
    Raises InvalidInput when the template is not permitted, names a value that it was not given,
    becomes HTML that an e-mail may not hold, or grows too large.
    """
    source = source or default_template(key)
    plain = {name: _plain(value) for name, value in context.items()}
    marked = {name: _marked(value) for name, value in context.items()}
    subject = single_line(
        _fill(source.subject, "subject", plain), characters_max=SUBJECT_CHARACTERS_MAX
    )
    text = _fill(source.text, "text", plain).strip() + "\n"
    lines = plain["issuer_lines"]
    if isinstance(lines, list) and lines:
        # What the frame shows under the HTML. "-- " is how mail programs know a signature.
        text += "\n".join(["", "-- ", *map(str, lines), ""])
    filled = _fill(source.html, "html", marked)
    check_markup(filled)
    body = Markup(filled)  # noqa: S704 (rendered with autoescape, and looked through)
    html = framed(
        subject, body, issuer_name=marked["issuer_name"], issuer_lines=marked["issuer_lines"]
    )
    return RenderedEmail(subject, text, html)


def framed(subject: str, body: Markup, *, issuer_name: object, issuer_lines: object) -> str:
    """The HTML of a whole e-mail: the body in the frame that all of them have."""
    return _trusted("email_layout.html").render(
        subject=subject, body=body, issuer_name=issuer_name, issuer_lines=issuer_lines
    )


def _fill(source: str, part: str, values: Mapping[str, object]) -> str:
    template = _compiled(source, part)
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.generate(values):
            size += len(piece)
            if size > OUTPUT_CHARACTERS_MAX:
                raise InvalidInput.of(part, "the template's result is too long")
            pieces.append(piece)
    except _WRONG_IN_USE as problem:
        raise InvalidInput.of(part, f"the template cannot be filled in: {problem}") from problem
    return "".join(pieces)


@lru_cache(maxsize=512)
def _compiled(source: str, part: str) -> Template:
    if len(source) > SOURCE_CHARACTERS_MAX:
        raise InvalidInput.of(part, f"must have at most {SOURCE_CHARACTERS_MAX} characters")
    environment = _environment(escape=part == "html")
    try:
        tree = environment.parse(source)
        _check(tree, part, loops=0)
        _bound_loops(tree, part)
        return environment.from_string(tree)
    except (TemplateError, SyntaxError, RecursionError, MemoryError) as problem:
        # The last three: nested deeper than Python's own compiler goes.
        raise InvalidInput.of(part, f"is not a valid template: {problem}") from problem


def _check(node: nodes.Node, part: str, loops: int) -> None:
    """Refuse every construct but those that can only place given values."""
    if not isinstance(node, _NODES):
        raise InvalidInput.of(part, f"templates cannot use {type(node).__name__.lower()}")
    if isinstance(node, nodes.Name) and node.name == "self":
        raise InvalidInput.of(part, "templates cannot use self")
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise InvalidInput.of(part, f"there is no filter {node.name}")
    if isinstance(node, nodes.For):
        loops += 1
        if loops > LOOPS_NESTED_MAX or node.recursive:
            raise InvalidInput.of(part, f"loops can be nested {LOOPS_NESTED_MAX} deep at most")
        if not isinstance(node.iter, nodes.Name | nodes.Getattr):
            raise InvalidInput.of(part, "a loop must run over a list that the e-mail comes with")
    for child in node.iter_child_nodes():
        _check(child, part, loops)


def _bound_loops(tree: nodes.Template, part: str) -> None:
    """Let every loop run over a list only: over the letters of a table it would take hours."""
    loops = list(tree.find_all(nodes.For))
    if len(loops) > LOOPS_MAX:
        raise InvalidInput.of(part, f"can have {LOOPS_MAX} loops at most")
    for loop in loops:
        loop.iter = nodes.Filter(loop.iter, _LISTED, [], [], None, None, lineno=loop.lineno)


def _listed(value: object) -> list[object]:
    """What a loop may run over. Raises TypeError."""
    if not isinstance(value, list):
        raise TypeError("a loop must run over a list")
    return value


def _joined(items: object, separator: str = ", ") -> str:
    """The filter `join`, of lists and with a short separator: it cannot multiply what is long."""
    if len(separator) > SEPARATOR_CHARACTERS_MAX:
        raise ValueError(f"a separator has at most {SEPARATOR_CHARACTERS_MAX} characters")
    parts = [str(item) for item in _listed(items)]
    return separator.join(parts)


class _Environment(ImmutableSandboxedEnvironment):
    """Where a template is filled in; a dot reaches what was given, and nothing of Python."""

    def getattr(self, obj: object, attribute: str) -> object:
        if isinstance(obj, dict):
            return obj[attribute] if attribute in obj else self.undefined(name=attribute)
        if isinstance(obj, LoopContext) and attribute in _OF_A_LOOP:
            return super().getattr(obj, attribute)
        raise SecurityError(f"there is no {attribute!r} to be had here")


@cache
def _environment(*, escape: bool) -> ImmutableSandboxedEnvironment:
    environment = _Environment(
        autoescape=escape, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.filters["join"] = _joined
    environment.filters[_LISTED] = _listed
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


def _plain(value: Value) -> object:
    """A value for the subject and the text part: cleaned text, numbers, tables as lines."""
    match value:
        case str():
            return clean_text(str(value))
        case int():
            return value
        case Table():
            return "\n".join(clean_text(row) for row in value.text_rows)
        case list():
            return [_plain(item) for item in _bounded(value)]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
    raise TypeError(f"a template cannot be given a {type(value).__name__}")


def _marked(value: Value) -> object:
    """The same for the HTML part, where only our own tables are markup."""
    match value:
        case Table():
            return Markup(_trusted("email_table.html").render(heads=value.heads, rows=value.rows))  # noqa: S704 (autoescaped)
        case list():
            return [_marked(item) for item in _bounded(value)]
        case dict():
            return {name: _marked(item) for name, item in value.items()}
    return _plain(value)


def _bounded(items: list[Value]) -> list[Value]:
    if len(items) > LIST_ITEMS_MAX:
        raise ValueError(f"a template is given lists of at most {LIST_ITEMS_MAX} items")
    return items


@cache
def _trusted(file_name: str) -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string((_HERE / file_name).read_text(encoding="utf-8"))


@cache
def _defaults() -> dict[TemplateKey, TemplateSource]:
    return {key: _read_default(key) for key in TemplateKey}


def _read_default(key: TemplateKey) -> TemplateSource:
    path = _HERE / "default_templates" / f"{key}.toml"
    source = TemplateSource(**tomllib.loads(path.read_text(encoding="utf-8")))
    check_template(source)
    return source
