"""E-mail templates: your own wording of what customers get."""

from __future__ import annotations

from dataclasses import asdict

from backend.actor import Action
from backend.api import render
from backend.api.calls import NO_CONTENT, Call, answered
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.email_templates import (
    KeptTemplate,
    NewTemplate,
    TemplateList,
    TemplateOut,
    TemplateParts,
    TemplatePreview,
    TemplateTrial,
)
from backend.communications.template_store import (
    create_template,
    get_template,
    list_templates,
    save_template,
)
from backend.communications.templates import TemplateSource
from backend.dunning.template_trial import preview_template, reset_template
from backend.idempotency import Answer
from backend.unit_of_work import UnitOfWork

endpoints = Endpoints("Communications")

_ONE = "/api/email-templates/{template_key}"


@endpoints(
    "GET", "/api/email-templates", Action.READ, answer=TemplateList, answers="Every template."
)
async def get_templates(call: Call) -> Reply:
    """List the e-mail templates with the values that each may place."""
    found = await call.read(list_templates)
    return ok({"items": [render.email_template(view) for view in found]})


@endpoints(
    "POST",
    "/api/email-templates",
    Action.DUNNING_WRITE,
    status=201,
    answer=TemplateOut,
    answers="The new template.",
)
async def add_template(call: Call, body: NewTemplate) -> Reply:
    """Add a reminder of your own, for a step of a plan to send."""
    return await call.write(
        lambda work: answered(
            render.email_template(view := create_template(work, body.name, body.based_on)),
            status=201,
            location=f"/api/email-templates/{view.template_key}",
        ),
        body=body,
    )


@endpoints("GET", _ONE, Action.READ, answer=TemplateOut, answers="The template.")
async def get_one_template(call: Call, template_key: str) -> Reply:
    """Read a template."""
    return ok(render.email_template(await call.read(get_template, template_key)))


@endpoints(
    "PUT",
    _ONE,
    Action.DUNNING_WRITE,
    answer=TemplateOut,
    answers="The template as it is now.",
    problems={409: "`template_changed`: it is no longer the version that was seen."},
)
async def keep_template(call: Call, template_key: str, body: KeptTemplate) -> Reply:
    """Keep your own wording. One that is broken for any shape of e-mail is refused."""
    return await call.write(
        lambda work: answered(
            render.email_template(
                save_template(work, template_key, body.name, _source(body), body.expected_version)
            )
        )
    )


@endpoints(
    "DELETE",
    _ONE,
    Action.DUNNING_WRITE,
    status=204,
    answers="The default wording is back, or your own reminder is gone.",
    problems={409: "`template_in_use`: a step of a plan sends this reminder of your own."},
)
async def drop_template(call: Call, template_key: str) -> Reply:
    """Go back to the default wording, or remove a reminder of your own."""

    def reset(work: UnitOfWork) -> Answer:
        reset_template(work, template_key)
        return NO_CONTENT

    return await call.write(reset)


@endpoints(
    "POST", f"{_ONE}/preview", Action.READ, answer=TemplatePreview, answers="The e-mail it makes."
)
async def preview(call: Call, template_key: str, body: TemplateTrial) -> Reply:
    """See what a wording makes of an invoice, or of a sample. Nothing is kept or sent."""
    made = await call.read(preview_template, template_key, _source(body), body.invoice_id)
    return ok(asdict(made))


def _source(body: TemplateParts) -> TemplateSource:
    return TemplateSource(body.subject, body.text, body.html)
