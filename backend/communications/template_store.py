"""A tenant's own wording of its e-mails, kept beside the default of each, and checked when saved.

What is saved has been parsed and filled in with samples of every shape, so that a broken wording is
seen by who writes it. Should one fail all the same when an e-mail is sent, the default takes its
place.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import required_text
from backend.communications.models import EMAIL_TEMPLATES
from backend.communications.samples import check_with_samples
from backend.communications.templates import (
    SOURCE_CHARACTERS_MAX,
    TemplateKey,
    TemplateSource,
    default_template,
    known_key,
)
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput, NotFound, StateConflict
from backend.ids import new_id
from backend.unit_of_work import Reader, UnitOfWork

NAMES = {
    TemplateKey.INVOICE: "Invoice",
    TemplateKey.RECEIPT: "Receipt",
    TemplateKey.FRIENDLY_REMINDER: "Friendly reminder",
    TemplateKey.OVERDUE_NOTICE: "Overdue notice",
    TemplateKey.FINAL_WARNING: "Final warning",
    TemplateKey.LAST_CALL: "Last call",
}
REMINDERS = frozenset(TemplateKey) - {TemplateKey.INVOICE, TemplateKey.RECEIPT}

NAME_CHARACTERS_MAX = 100
SUBJECT_SOURCE_CHARACTERS_MAX = 500
TEMPLATES_MAX = 50  # of a tenant's own making; a plan of chasing has a handful of steps
_SLUG_CHARACTERS_MAX = 40
_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9]+")

_T = EMAIL_TEMPLATES
_ONE = (_T.c.tenant_id == TENANT, _T.c.template_key == sa.bindparam("key"))
_ALL = Statement(sa.select(_T).where(_T.c.tenant_id == TENANT).order_by(_T.c.name, _T.c.row_id))
_GET = Statement(sa.select(_T).where(*_ONE))
_KEYS = Statement(sa.select(_T.c.template_key).where(_T.c.tenant_id == TENANT))
_ADD = Statement(sa.insert(_T))
_CHANGE = Statement(
    sa.update(_T)
    .where(*_ONE, _T.c.version == sa.bindparam("seen_version"))
    .values(
        name=sa.bindparam("new_name"),
        subject=sa.bindparam("new_subject"),
        text_body=sa.bindparam("new_text_body"),
        html_body=sa.bindparam("new_html_body"),
        updated_at=sa.bindparam("now"),
        version=_T.c.version + 1,
    )
)
_REMOVE = Statement(sa.delete(_T).where(*_ONE))


@dataclass(frozen=True, slots=True)
class TemplateView:
    """The wording of one e-mail.

    `is_own`: the tenant wrote it; `version` is 0 for a default. `is_default_key`: one of the
    e-mails that BillerJacket comes with, which can be reset but not removed.
    """

    template_key: str
    name: str
    is_reminder: bool
    is_own: bool
    source: TemplateSource
    updated_at: datetime | None
    version: int

    @property
    def is_default_key(self) -> bool:
        """Whether there is a default wording to go back to."""
        return known_key(self.template_key) is not None


def list_templates(reader: Reader) -> list[TemplateView]:
    """Every e-mail of the tenant: the six that come with BillerJacket, then its own reminders."""
    reader.actor.require(Action.READ)
    own = {row.template_key: row for row in reader.rows(_ALL)}
    known = [_view(own.pop(key, None), key) for key in TemplateKey]
    return known + [_view(row, key) for key, row in own.items()]


def get_template(reader: Reader, template_key: str) -> TemplateView:
    """One e-mail's wording. Raises NotFound."""
    reader.actor.require(Action.READ)
    row = reader.first(_GET, key=template_key)
    if row is None and known_key(template_key) is None:
        raise NotFound("There is no such e-mail template.")
    return _view(row, template_key)


def reminder_keys(reader: Reader) -> frozenset[str]:
    """The keys that a step of a plan may name: the four reminders and the tenant's own."""
    own = {row.template_key for row in reader.rows(_KEYS)}
    return frozenset(str(key) for key in REMINDERS) | (own - {str(key) for key in TemplateKey})


def tenant_source(
    reader: Reader, template_key: str, subject: str | None = None
) -> TemplateSource | None:
    """The tenant's own wording for a letter, None when it has none; `subject` takes precedence."""
    row = reader.first(_GET, key=template_key)
    if row is None and subject is None:
        return None
    source = default_template(template_key) if row is None else _source(row)
    return source if subject is None else TemplateSource(subject, source.text, source.html)


def save_template(
    work: UnitOfWork,
    template_key: str,
    name: str | None,
    source: TemplateSource,
    expected_version: int | None = None,
) -> TemplateView:
    """Keep the tenant's wording of an e-mail there is. Without a name it keeps the one it has.

    Raises NotFound, InvalidInput naming subject, text or html when it is broken, NotAllowed, and
    StateConflict (template_changed) when it is no longer the version that was seen (0: default).
    """
    work.actor.require(Action.DUNNING_WRITE)
    before = get_template(work, template_key)
    if expected_version is not None and expected_version != before.version:
        raise _changed()
    name = _checked_name(before.name if name is None else name)
    source = checked_source(template_key, source)
    if (name, source) == (before.name, before.source):
        return before
    if before.is_own:
        touched = work.execute(
            _CHANGE,
            key=template_key,
            seen_version=before.version,
            now=work.now,
            new_name=name,
            new_subject=source.subject,
            new_text_body=source.text,
            new_html_body=source.html,
        )
        if not touched:
            raise _changed()
    else:
        _add(work, template_key, name, source)
    after = get_template(work, template_key)
    _record(work, "email_template.saved", _id_of(work, template_key), before, after)
    return after


def create_template(work: UnitOfWork, name: str, based_on: str) -> TemplateView:
    """A reminder of the tenant's own, which begins with another's wording.

    Raises InvalidInput (based_on is no reminder, or a name that is taken), NotAllowed.
    """
    work.actor.require(Action.DUNNING_WRITE)
    name = _checked_name(name)
    there = list_templates(work)
    pattern = next((one for one in there if one.template_key == based_on), None)
    if pattern is None or not pattern.is_reminder:
        raise InvalidInput.of("based_on", "must be a reminder")
    if any(one.name.casefold() == name.casefold() for one in there):
        raise InvalidInput.of("name", "is the name of another template")
    if sum(not one.is_default_key for one in there) >= TEMPLATES_MAX:
        raise InvalidInput.of("name", f"there are {TEMPLATES_MAX} templates already")
    key = _key_for(name, {one.template_key for one in there})
    _add(work, key, name, pattern.source)
    after = get_template(work, key)
    _record(work, "email_template.created", _id_of(work, key), None, after)
    return after


def discard_wording(work: UnitOfWork, template_key: str) -> None:
    """Go back to the default; a reminder of the tenant's own is gone. Raises NotFound, NotAllowed.

    Whether a plan still needs it is for the caller to know.
    """
    work.actor.require(Action.DUNNING_WRITE)
    before = get_template(work, template_key)
    if not before.is_own:
        return
    template_id = _id_of(work, template_key)
    work.execute(_REMOVE, key=template_key)
    _record(work, "email_template.reset", template_id, before, None)


def checked_source(template_key: str, source: TemplateSource) -> TemplateSource:
    """The wording with plain line breaks, proven on samples. Raises InvalidInput."""
    required_text(
        source.subject, field="subject", max_length=SUBJECT_SOURCE_CHARACTERS_MAX, many_lines=True
    )
    for part, text in (("text", source.text), ("html", source.html)):
        required_text(text, field=part, max_length=SOURCE_CHARACTERS_MAX, many_lines=True)
    tidy = tidied(source)
    check_with_samples(template_key, tidy)
    return tidy


def tidied(source: TemplateSource) -> TemplateSource:
    """The wording as it is kept: plain line breaks, nothing blank around it."""
    return TemplateSource(
        source.subject.strip(), _plain_breaks(source.text), _plain_breaks(source.html)
    )


def check_step_subject(subject: str) -> str:
    """A step's own subject, proven on samples. Raises InvalidInput naming `subject`."""
    default = default_template(TemplateKey.OVERDUE_NOTICE)
    source = TemplateSource(subject, default.text, default.html)
    return checked_source(TemplateKey.OVERDUE_NOTICE, source).subject


def _add(work: UnitOfWork, key: str, name: str, source: TemplateSource) -> None:
    work.execute(
        _ADD,
        id=new_id(),
        template_key=str(key),
        name=name,
        subject=source.subject,
        text_body=source.text,
        html_body=source.html,
        created_at=work.now,
        updated_at=work.now,
        version=1,
    )


def _record(
    work: UnitOfWork,
    action: str,
    template_id: UUID,
    before: TemplateView | None,
    after: TemplateView | None,
) -> None:
    """What changed is the wording: its beginning is enough to know it by, its digest proves it."""
    work.record(
        action,
        "email_template",
        template_id,
        before=None if before is None else _facts(before),
        after=None if after is None else _facts(after),
    )


def _id_of(work: UnitOfWork, template_key: str) -> UUID:
    found: UUID = work.one(_GET, key=template_key).id
    return found


def _facts(view: TemplateView) -> dict[str, Any]:
    whole = "\0".join((view.source.subject, view.source.text, view.source.html))
    return {
        "template_key": view.template_key,
        "name": view.name,
        "subject": view.source.subject,
        "is_own": view.is_own,
        "sha256": hashlib.sha256(whole.encode()).hexdigest(),
    }


def _view(row: Any | None, key: str) -> TemplateView:
    known = known_key(key)
    return TemplateView(
        template_key=str(key),
        name=row.name if row is not None else NAMES[known or TemplateKey.OVERDUE_NOTICE],
        is_reminder=known is None or known in REMINDERS,
        is_own=row is not None,
        source=default_template(key) if row is None else _source(row),
        updated_at=None if row is None else row.updated_at,
        version=0 if row is None else row.version,
    )


def _source(row: Any) -> TemplateSource:
    return TemplateSource(row.subject, row.text_body, row.html_body)


def _plain_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip() + "\n"


def _checked_name(name: str) -> str:
    return required_text(name, field="name", max_length=NAME_CHARACTERS_MAX)


def _key_for(name: str, taken: set[str]) -> str:
    """A short name for programs, made of the one for people: "Site visit" is site_visit."""
    slug = _NOT_IN_A_SLUG.sub("_", name.casefold())[:_SLUG_CHARACTERS_MAX].strip("_")
    slug = slug or "reminder"
    key, number = slug, 1
    while key in taken:
        number += 1
        key = f"{slug}_{number}"
    return key


def _changed() -> StateConflict:
    return StateConflict(
        "Somebody else changed this template meanwhile: look at it again.", code="template_changed"
    )
