"""/dunning/templates: the wording of every e-mail, and where each is used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.communications.template_store import TemplateView, create_template, list_templates
from backend.communications.templates import TemplateKey
from backend.dunning.plans import PlanView, list_plans
from backend.paging import LIMIT_MAX
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app import routes
from billerjacket_app.components import basic, dialog, forms, shell, states, table
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows
from billerjacket_app.session import SessionState
from billerjacket_app.status import Badge

OWN = Badge("Your wording", "pencil", "indigo")
DEFAULT = Badge("Default wording", "circle-dashed", "slate")
_SENT_WHEN = {
    TemplateKey.INVOICE: "With every invoice that is sent",
    TemplateKey.RECEIPT: "For every payment",
}


@dataclass
class TemplateRow:
    """A template as a row."""

    key: str = ""
    name: str = ""
    href: str = ""
    kind: str = ""
    wording: Badge = field(default_factory=Badge)
    used_by: list[str] = field(default_factory=list)
    changed: fmt.When = field(default_factory=fmt.When)


@dataclass
class Option:
    """A template that a new one can begin with."""

    value: str = ""
    label: str = ""


def load_templates(reader: Reader) -> list[TemplateRow]:
    """Every template, and the steps of plans that use it. Raises NotAllowed."""
    plans = list_plans(reader, limit=LIMIT_MAX).items
    return [_row(reader, template, plans) for template in list_templates(reader)]


def _row(reader: Reader, template: TemplateView, plans: Iterable[PlanView]) -> TemplateRow:
    return TemplateRow(
        key=template.template_key,
        name=template.name,
        href=routes.template(template.template_key),
        kind="Reminder" if template.is_reminder else "Message",
        wording=wording_badge(template),
        used_by=used_by(template.template_key, plans),
        changed=fmt.when(template.updated_at, rows.zone_of(reader), reader.now),
    )


def wording_badge(template: TemplateView) -> Badge:
    """Whose words they are."""
    return OWN if template.is_own else DEFAULT


def used_by(key: str, plans: Iterable[PlanView]) -> list[str]:
    """The steps that send it, one line a plan: `Standard: step 2 (3 days)`."""
    if key in _SENT_WHEN:
        return [_SENT_WHEN[TemplateKey(key)]]
    found = []
    for plan in plans:
        steps = [
            f"step {step.step_number} ({fmt.count(step.days_after_due, 'day')})"
            for step in plan.steps
            if step.template_key == key
        ]
        if steps:
            off = "" if plan.is_active else " (not active)"
            found.append(f"{plan.name}{off}: {', '.join(steps)}")
    return found


class TemplatesState(PageState, rx.State):
    """The list."""

    rows: list[TemplateRow] = []
    options: list[Option] = []

    async def fetch(self) -> None:
        """Load all of them: there are few."""
        outcome = await self.read(load_templates)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        reminders = [row for row in outcome.must if row.kind == "Reminder"]
        self.assign(rows=outcome.must, options=[Option(row.key, row.name) for row in reminders])

    @rx.event
    async def create(self, form: dict[str, Any]) -> Any:
        """Make a reminder template and open it."""
        self.busy = True
        yield
        name, based_on = str(form.get("name", "")), str(form.get("based_on", ""))
        outcome = await self.call(create_template, name, based_on)
        if outcome.problem:
            return
        self.close_dialog_now()
        yield say(f"{outcome.must.name} is made. Choose it in a step of a plan to use it.")
        yield rx.redirect(routes.template(outcome.must.template_key))


def page() -> rx.Component:
    """The list of templates."""
    state = TemplatesState
    new = rx.cond(
        SessionState.may_write,
        basic.button(
            basic.icon("plus", size=14),
            "New reminder template",
            kind="primary",
            on_click=state.open_dialog("new"),
            data_testid="new-template",
        ),
        rx.fragment(),
    )
    listing = table.data_table(
        "E-mail templates",
        [
            table.Column("name", "Template"),
            table.Column("kind", "Kind"),
            table.Column("wording", "Wording"),
            table.Column("used", "Sent"),
            table.Column("changed", "Last change"),
        ],
        state.rows,
        lambda row: [
            table.row_header(
                rx.el.a(row.name, href=row.href, class_name="hit", title=row.name),
                class_name="clip",
            ),
            table.cell(row.kind),
            table.cell(basic.badge(row.wording), name="wording"),
            table.cell(
                rx.cond(
                    row.used_by.length() > 0,
                    rx.foreach(row.used_by, lambda text: rx.el.div(text)),
                    rx.el.span("By no step", class_name="muted"),
                ),
                name="used",
                class_name="wrap",
            ),
            table.cell(basic.when(row.changed)),
        ],
        state=state,
        testid="table-templates",
        row_testid="template-row",
        noun="templates",
        empty=states.empty("mail", "No templates", "There are none."),
    )
    return shell.page(
        state,
        "E-mail templates",
        rx.cond(
            state.view == "forbidden",
            states.forbidden(),
            rx.el.div(
                rx.el.p(
                    "What your customers read. Each comes with a default wording that you can "
                    "change; a step of a plan chooses its reminder here.",
                    class_name="muted",
                ),
                listing,
                class_name="stack tight",
            ),
        ),
        dialog.form_dialog(
            state,
            "new",
            "New reminder template",
            forms.text_field(
                "name",
                "Name",
                error=state.errors["name"],
                hint="For yourselves; customers do not see it.",
                required=True,
                max_length=100,
                auto_complete="off",
            ),
            forms.field(
                "based_on",
                "Begin with the wording of",
                forms.choice(
                    "based_on",
                    rx.foreach(state.options, lambda it: rx.el.option(it.label, value=it.value)),
                    error=state.errors["based_on"],
                ),
                error=state.errors["based_on"],
            ),
            submit=state.create,
            verb="Make template",
        ),
        section="dunning",
        crumbs=[("Chasing", routes.DUNNING)],
        actions=[new],
    )


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page,
        route=routes.TEMPLATES,
        title="E-mail templates · BillerJacket",
        on_load=TemplatesState.load,
    )
