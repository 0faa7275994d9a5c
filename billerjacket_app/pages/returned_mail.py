"""Mail that came back, on the page of a customer: what is known of it, and what may be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import reflex as rx

from backend.communications.models import ReturnKind
from backend.communications.returns import clear_return, list_returns, report_return
from backend.customers.models import EmailStatus
from backend.customers.queries import CustomerView, get_customer
from backend.errors import InvalidInput, StateConflict
from backend.unit_of_work import Reader, UnitOfWork
from billerjacket_app import format as fmt
from billerjacket_app.components import basic, dialog, forms
from billerjacket_app.page_state import PageState, say
from billerjacket_app.pages import rows

DIALOG = "returned"
SOURCE = "operator"
_SAID = {
    EmailStatus.BOUNCED: "Mail to this address came back.",
    EmailStatus.COMPLAINED: "Mail to this address was complained about.",
}


@dataclass
class ReturnedFacts:
    """Why no e-mail goes to the customer's address; without a `text` it does."""

    text: str = ""
    told: str = ""


def returned_facts(reader: Reader, customer: CustomerView) -> ReturnedFacts:
    """What is known of the address, as text: the newest word about it, by whom and when."""
    if customer.email is None or customer.email_status is EmailStatus.OK:
        return ReturnedFacts()
    address = customer.email.casefold()
    known = list_returns(reader, customer.customer_id)
    newest = next((one for one in known if one.address.casefold() == address), None)
    told = ""
    if newest is not None:
        when = fmt.when_exactly(newest.created_at, rows.zone_of(reader)).text
        detail = f"“{newest.detail}”, " if newest.detail else ""
        told = f"{detail}told by {newest.source}, {when}."
    return ReturnedFacts(_SAID[customer.email_status], told)


def report(work: UnitOfWork, customer_id: UUID, form: dict[str, Any]) -> None:
    """Say that mail to the customer's address came back.

    Raises InvalidInput (kind), StateConflict (no_email), NotFound, NotAllowed.
    """
    customer = get_customer(work, customer_id)
    if customer.email is None:
        raise StateConflict("The customer has no e-mail address.", code="no_email")
    try:
        kind = ReturnKind(str(form.get("kind", "")))
    except ValueError as wrong:
        raise InvalidInput.of("kind", "must be one of those offered") from wrong
    report_return(work, None, customer.email, kind, str(form.get("detail", "")), SOURCE)


class ReturnedActs(PageState, mixin=True):
    """Marking the address of the page's customer, and saying that it works again."""

    @rx.event
    async def mark_returned(self, form: dict[str, Any]) -> Any:
        """Send no more e-mail to the address."""
        self.busy = True
        yield
        outcome = await self.call(report, rows.record_id(self.customer_id, "customer"), form)
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say("No e-mail goes to this address any more.")

    @rx.event
    async def clear_returned(self) -> Any:
        """Send e-mail to the address again; it can be marked again, so nothing is asked."""
        self.busy = True
        yield
        outcome = await self.call(clear_return, rows.record_id(self.customer_id, "customer"))
        if outcome.problem:
            yield say(f"{outcome.problem.title} {outcome.problem.detail}", bad=True)
            return
        await self.fetch()
        yield say("E-mail goes to this address again.")


def callout(state: Any, returned: Any, *, may: Any) -> rx.Component:
    """Why no e-mail goes to the address, with the two ways to end it."""
    return rx.cond(
        returned.text != "",
        basic.callout(
            rx.el.div(
                rx.el.div(
                    rx.el.strong(returned.text),
                    " No e-mail goes there until the address is changed.",
                    rx.cond(
                        returned.told != "",
                        rx.el.div(returned.told, class_name="quiet"),
                        rx.fragment(),
                    ),
                ),
                rx.cond(
                    may,
                    basic.button(
                        "The address works again",
                        on_click=state.clear_returned, disabled=state.busy,
                        data_testid="clear-returned",
                    ),
                    rx.fragment(),
                ),
                class_name="row spread",
            ),
            tone="warn", symbol="mail-warning", data_testid="returned-note",
        ),
        rx.fragment(),
    )  # fmt: skip


def mark_button(state: Any, returned: Any, *, has_address: Any, may: Any) -> rx.Component:
    """The button beside an address that works."""
    return rx.cond(
        may & has_address & (returned.text == ""),
        basic.button(
            "Mail came back…", on_click=state.open_dialog(DIALOG), data_testid="mark-returned"
        ),
        rx.fragment(),
    )


def mark_dialog(state: Any, *, lead: Any) -> rx.Component:
    """What happened to the mail, and what the notice said."""
    return dialog.form_dialog(
        state, DIALOG, "Stop e-mail to this address?",
        forms.field(
            "kind", "What happened",
            forms.choice(
                "kind",
                [
                    (ReturnKind.BOUNCED.value, "Mail came back"),
                    (ReturnKind.COMPLAINED.value, "The customer complained about it"),
                ],
                error=state.errors["kind"],
            ),
            error=state.errors["kind"],
        ),
        forms.text_field(
            "detail", "What the notice said", error=state.errors["detail"], max_length=500,
            hint="It may stay empty.",
        ),
        submit=state.mark_returned, verb="Stop e-mail", lead=lead,
    )  # fmt: skip
