"""The settings of chasing: when reminders go out, how far apart, and what stands in e-mails.

Only what differs from what the form showed is sent, so that two Admins who change different
things do not undo each other. The fields keep what is typed: they are filled when the page loads.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import reflex as rx

from backend.actor import Action
from backend.business_days import country_names, next_holidays, part_names
from backend.errors import InvalidInput
from backend.tenants.service import REMINDER_GAP_DAYS_MAX, UpdateTenant, update_tenant
from backend.unit_of_work import Reader
from billerjacket_app import format as fmt
from billerjacket_app.bridge import Problem
from billerjacket_app.components import basic, forms, states
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOLIDAYS_SHOWN = 5
_END_OF_DAY = 24 * 60


@dataclass
class Weekday:
    """A box to tick."""

    name: str = ""
    label: str = ""
    is_on: bool = False


@dataclass
class Option:
    """A calendar that can be chosen."""

    value: str = ""
    label: str = ""


@dataclass
class Holiday:
    """A day without reminders."""

    day: str = ""
    name: str = ""


@dataclass
class Settings:
    """The settings as the form's fields hold them."""

    opens: str = ""
    closes: str = ""
    weekdays: list[Weekday] = field(default_factory=list)
    country: str = ""
    part: str = ""
    gap: str = ""
    reply_to: str = ""
    address: str = ""
    high_value: str = ""
    currency: str = ""
    zone: str = ""
    local_time: str = ""


def load_settings(reader: Reader) -> Settings:
    """The tenant's settings of chasing. Raises NotAllowed."""
    reader.actor.require(Action.TENANT_ADMIN)
    tenant = reader.tenant
    now = reader.now.astimezone(rows.zone_of(reader))
    return Settings(
        opens=clock_text(tenant.sending_from_minute),
        closes=clock_text(tenant.sending_until_minute),
        weekdays=[
            Weekday(f"weekday_{place}", name, tenant.sending_weekdays[place] == "1")
            for place, name in enumerate(WEEKDAYS)
        ],
        country=tenant.holiday_calendar.partition("-")[0],
        part=tenant.holiday_calendar if "-" in tenant.holiday_calendar else "",
        gap=str(tenant.reminder_gap_days),
        reply_to=tenant.reply_to_email or "",
        address=tenant.postal_address or "",
        high_value=fmt.amount_input(tenant.high_value_amount, tenant.currency_code)
        if tenant.high_value_amount is not None
        else "",
        currency=tenant.currency_code,
        zone=tenant.time_zone,
        local_time=f"{now:%A} {now:%H:%M}",
    )


def load_holidays(reader: Reader, calendar: str) -> list[Holiday]:
    """The next days without reminders. Raises NotAllowed, InvalidInput."""
    reader.actor.require(Action.TENANT_ADMIN)
    try:
        found = next_holidays(reader.today, calendar, count=HOLIDAYS_SHOWN)
    except KeyError:
        raise InvalidInput.of("holiday_calendar", "is not one of the calendars") from None
    return [Holiday(f"{day:%a} {fmt.calendar(day)}", name) for day, name in found]


def clock_text(minute: int) -> str:
    """Minutes after midnight as a field for a time holds them; the end of the day is 00:00."""
    return f"{minute % _END_OF_DAY // 60:02}:{minute % 60:02}"


def minute_of(text: str, field_name: str, *, is_end: bool = False) -> int:
    """Minutes after midnight of a field for a time. Raises InvalidInput."""
    hours, _, minutes = text.partition(":")
    if not (hours.isdecimal() and minutes[:2].isdecimal() and int(hours) < 24):
        raise InvalidInput.of(field_name, "must be a time such as 08:00")
    minute = int(hours) * 60 + int(minutes[:2])
    return _END_OF_DAY if is_end and minute == 0 else minute


def parse(form: dict[str, Any], shown: Settings) -> UpdateTenant:
    """What the form changes of what it showed. Raises InvalidInput."""
    typed = {name: str(value).strip() for name, value in form.items()}
    weekdays = "".join("1" if form.get(f"weekday_{day}") else "0" for day in range(7))
    was_on = "".join("1" if day.is_on else "0" for day in shown.weekdays)
    if "1" not in weekdays:
        raise InvalidInput.of("sending_weekdays", "need at least one day")
    calendar = typed.get("holiday_part") or typed.get("holiday_country", "")
    gap = typed.get("reminder_gap_days", "")
    if not gap.isdecimal() or int(gap) > REMINDER_GAP_DAYS_MAX:
        raise InvalidInput.of("reminder_gap_days", f"must be from 0 to {REMINDER_GAP_DAYS_MAX}")
    opens, closes = typed.get("sending_from_minute", ""), typed.get("sending_until_minute", "")
    changed: dict[str, Any] = {}
    for name, value, before, wanted in (
        (
            "sending_from_minute",
            opens,
            shown.opens,
            lambda: minute_of(opens, "sending_from_minute"),
        ),
        (
            "sending_until_minute",
            closes,
            shown.closes,
            lambda: minute_of(closes, "sending_until_minute", is_end=True),
        ),
        ("sending_weekdays", weekdays, was_on, lambda: weekdays),
        ("holiday_calendar", calendar, shown.part or shown.country, lambda: calendar),
        ("reminder_gap_days", gap, shown.gap, lambda: int(gap)),
        (
            "reply_to_email",
            typed.get("reply_to_email", ""),
            shown.reply_to,
            lambda: typed["reply_to_email"],
        ),
        (
            "postal_address",
            typed.get("postal_address", ""),
            shown.address.strip(),
            lambda: typed["postal_address"],
        ),
        (
            "high_value_amount",
            typed.get("high_value_amount", ""),
            shown.high_value,
            lambda: typed["high_value_amount"].replace(",", ""),
        ),
    ):
        if value != before:
            changed[name] = wanted()
    return UpdateTenant(**changed)


class ChasingState(PageState, rx.State):
    """The form."""

    shown: Settings = Settings()
    form_key: str = "0"
    countries: list[Option] = []
    parts: list[Option] = []
    upcoming: list[Holiday] = []
    saved: bool = False

    async def fetch(self) -> None:
        """Fill the form."""
        outcome = await self.read(load_settings)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        found = outcome.must
        self.assign(
            shown=found,
            form_key=uuid.uuid4().hex,
            saved=False,
            refusal=Problem(),
            errors={},
            countries=[Option(code, f"{name} ({code})") for code, name in country_names().items()],
        )
        await self._show_calendar(found.country, found.part)

    async def follow(self) -> None:
        """Leave the form as it is: somebody types in it."""

    async def _show_calendar(self, country: str, part: str) -> None:
        outcome = await self.read(load_holidays, part or country)
        self.assign(
            parts=[Option(name, label) for name, label in part_names(country).items()],
            upcoming=[] if outcome.problem else outcome.must,
        )

    @rx.event
    async def choose_country(self, country: str) -> None:
        """Show its parts, and its next holidays."""
        await self._show_calendar(country, "")

    @rx.event
    async def choose_part(self, any_part: str, part: str) -> None:
        """Show the next holidays of a part of the country; `any_part` tells which country."""
        await self._show_calendar(any_part.partition("-")[0], part)

    @rx.event
    async def save(self, form: dict[str, Any]) -> Any:
        """Keep what was changed."""
        self.busy, self.saved = True, False
        yield
        try:
            command = parse(form, self.shown)
        except InvalidInput as wrong:
            self.refuse(wrong)
            return
        if (await self.call(update_tenant, command)).problem:
            return
        await self.fetch()
        self.saved = True
        yield say("The settings are saved.")


def chasing_section() -> rx.Component:
    """The section of the settings."""
    state = ChasingState
    return basic.section(
        "Chasing and e-mail",
        rx.el.p(
            "When reminders go out by themselves, how far apart, and what your e-mails say of you.",
            class_name="muted",
        ),
        states.body(state, basic.card(_form(state), key=state.form_key)),
        data_testid="chasing-settings",
    )


def _form(state: Any) -> rx.Component:
    shown, errors = state.shown, state.errors
    return rx.el.form(
        forms.problem_note(state.refusal),
        _window(state),
        _calendar(state),
        rx.el.div(
            forms.text_field(
                "reminder_gap_days",
                "Days between two reminders to one customer",
                error=errors["reminder_gap_days"],
                hint="0 is no gap. Invoices and receipts are never held back.",
                type="number",
                min=0,
                max=REMINDER_GAP_DAYS_MAX,
                default_value=shown.gap,
            ),
            forms.field(
                "high_value_amount",
                "Call from this amount overdue on",
                forms.amount(
                    "high_value_amount",
                    error=errors["high_value_amount"],
                    hint="Such customers stand on the worklist. Empty: the amount is no reason.",
                    default_value=shown.high_value,
                    placeholder="No amount",
                ),
                error=errors["high_value_amount"],
                hint="Such customers stand on the worklist. Empty: the amount is no reason.",
            ),
            class_name="cols2",
        ),
        rx.el.div(
            forms.text_field(
                "reply_to_email",
                "Answers go to (reply-to)",
                error=errors["reply_to_email"],
                hint="Empty: answers go to the address that e-mails are sent from.",
                type="email",
                default_value=shown.reply_to,
                placeholder="billing@example.com",
            ),
            forms.field(
                "postal_address",
                "Postal address",
                forms.area(
                    "postal_address",
                    error=errors["postal_address"],
                    hint="It stands at the foot of every e-mail.",
                    default_value=shown.address,
                    max_length=500,
                ),
                error=errors["postal_address"],
                hint="It stands at the foot of every e-mail.",
            ),
            class_name="cols2",
        ),
        rx.el.div(
            basic.button(
                rx.cond(state.busy, "Saving…", "Save settings"),
                type="submit",
                kind="primary",
                disabled=state.busy,
                data_testid="save-chasing",
            ),
            rx.el.span(rx.cond(state.saved, "Saved.", ""), role="status", class_name="muted small"),
            class_name="row",
        ),
        on_submit=state.save,
        reset_on_submit=False,
        class_name="form",
        custom_attrs={"noValidate": True},
    )


def _window(state: Any) -> rx.Component:
    shown, errors = state.shown, state.errors
    return rx.el.div(
        rx.el.fieldset(
            rx.el.legend("Reminders are sent", class_name="label"),
            rx.el.div(
                forms.text_field(
                    "sending_from_minute",
                    "From",
                    error=errors["sending_from_minute"],
                    type="time",
                    default_value=shown.opens,
                ),
                forms.text_field(
                    "sending_until_minute",
                    "Until",
                    error=errors["sending_until_minute"],
                    hint="Midnight is the end of the day.",
                    type="time",
                    default_value=shown.closes,
                ),
                class_name="cols2",
            ),
            rx.el.p(
                "In ", rx.el.strong(shown.zone), ", where it is now ", shown.local_time, ".",
                class_name="small muted",
                data_testid="time-zone",
            ),
            class_name="plain-set",
        ),
        rx.el.fieldset(
            rx.el.legend("On", class_name="label"),
            rx.el.div(
                rx.foreach(
                    shown.weekdays,
                    lambda day: rx.el.label(
                        rx.el.input(
                            type="checkbox", name=day.name, value="yes", default_checked=day.is_on
                        ),
                        day.label,
                        class_name="check",
                    ),
                ),
                class_name="row weekdays",
            ),
            rx.cond(
                errors["sending_weekdays"],
                rx.el.div(
                    basic.icon("triangle-alert", size=12), errors["sending_weekdays"],
                    class_name="error", role="alert", data_testid="error-sending_weekdays",
                ),
                rx.fragment(),
            ),
            class_name="plain-set field",
        ),
        class_name="cols2",
    )  # fmt: skip


def _calendar(state: Any) -> rx.Component:
    shown = state.shown

    return rx.el.div(
        rx.el.div(
            forms.field(
                "holiday_country",
                "No reminders on the public holidays of",
                rx.el.select(
                    rx.el.option("No country: holidays do not matter", value=""),
                    rx.foreach(state.countries, lambda it: rx.el.option(it.label, value=it.value)),
                    id="f-holiday_country",
                    name="holiday_country",
                    default_value=shown.country,
                    on_change=state.choose_country,
                ),
                error=state.errors["holiday_calendar"],
            ),
            rx.cond(
                state.parts.length() > 0,
                forms.field(
                    "holiday_part",
                    "And of its part",
                    rx.el.select(
                        rx.el.option("The whole country alone", value=""),
                        rx.foreach(state.parts, lambda it: rx.el.option(it.label, value=it.value)),
                        id="f-holiday_part",
                        name="holiday_part",
                        default_value=shown.part,
                        on_change=lambda part: state.choose_part(state.parts[0].value, part),
                        key=state.parts[0].value,
                    ),
                ),
                rx.fragment(),
            ),
            class_name="form",
        ),
        rx.el.div(
            rx.el.h3("The next holidays"),
            rx.cond(
                state.upcoming.length() > 0,
                rx.el.ul(
                    rx.foreach(
                        state.upcoming,
                        lambda it: rx.el.li(
                            rx.el.span(it.day, class_name="mono nowrap muted"), " ", it.name
                        ),
                    ),
                    data_testid="next-holidays",
                ),
                rx.el.p("None in the coming year.", class_name="muted"),
            ),
            role="status",
            class_name="stack tight",
        ),
        class_name="cols2",
    )
