"""E-mail templates, as they come in and go out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from backend.api.fields import Id, many_lines, required_line
from backend.api.schemas.common import Answer, Body, Instant, example
from backend.communications.template_store import (
    NAME_CHARACTERS_MAX,
    SUBJECT_SOURCE_CHARACTERS_MAX,
)
from backend.communications.templates import SOURCE_CHARACTERS_MAX

_SOURCE = {
    "subject": "{{ invoices_named }}: a reminder from {{ issuer_name }}",
    "text": "Hello {{ customer_name }},\n\n{{ invoice_table }}\n",
    "html": "<p>Hello {{ customer_name }},</p>\n{{ invoice_table }}\n",
}
_TEMPLATE = {
    "template_key": "friendly_reminder",
    "name": "Friendly reminder",
    "is_reminder": True,
    "is_own": False,
    **_SOURCE,
    "updated_at": None,
    "version": 0,
    "variables": [
        {
            "name": "customer_name",
            "meaning": "The customer's name.",
            "example": "Harbor Dental Group",
        }
    ],
}


class TemplateParts(Body):
    """A wording: values stand in double braces, and `{% if %}` and `{% for %}` are understood."""

    model_config = example(**_SOURCE)

    subject: Annotated[str, many_lines(SUBJECT_SOURCE_CHARACTERS_MAX)]
    text: Annotated[str, many_lines(SOURCE_CHARACTERS_MAX)]
    html: Annotated[str, many_lines(SOURCE_CHARACTERS_MAX)]


class KeptTemplate(TemplateParts):
    """A wording to keep. `expected_version` is the one that was seen, 0 for the default."""

    model_config = example(name="A friendly word", **_SOURCE, expected_version=0)

    name: Annotated[str, required_line(NAME_CHARACTERS_MAX)] | None = None
    expected_version: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None = None


class TemplateTrial(TemplateParts):
    """A wording to look at, on an invoice or else on a sample."""

    model_config = example(**_SOURCE, invoice_id=None)

    invoice_id: Id | None = None


class NewTemplate(Body):
    """A reminder of your own, which begins with another reminder's wording."""

    model_config = example(name="After the site visit", based_on="friendly_reminder")

    name: Annotated[str, required_line(NAME_CHARACTERS_MAX)]
    based_on: Annotated[str, required_line(64)]


class VariableOut(Answer):
    """A value that the template may place."""

    name: str
    meaning: str
    example: str


class TemplateOut(Answer):
    """The wording of one e-mail. `is_own` says that you wrote it; `version` of a default is 0."""

    model_config = example(**_TEMPLATE)

    template_key: str
    name: str
    is_reminder: bool
    is_own: bool
    subject: str
    text: str
    html: str
    updated_at: Instant | None
    version: int
    variables: list[VariableOut]


class TemplateList(Answer):
    """Every template: the six there are for everybody, then your own reminders."""

    model_config = example(items=[_TEMPLATE])

    items: list[TemplateOut]


class TemplatePreview(Answer):
    """What the wording becomes."""

    model_config = example(
        subject="Invoice INV-000042: a reminder from Ridge Roofing",
        text="Hello Hilltop Apartments LLC,\n",
        html="<!doctype html>…",
    )

    subject: str
    text: str
    html: str
