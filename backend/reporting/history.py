"""One thing that happened, as a person reads it; made from the audit log's rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from backend.communications.wording import date_text, money_text
from backend.customers.models import CustomerHold
from backend.invoices.models import InvoiceHold

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One entry of a timeline or trace. `at` in UTC; `changes` are (field, before, after)."""

    at: datetime
    type: str
    title: str
    detail: str | None
    actor: str | None
    correlation_id: str | None
    changes: tuple[tuple[str, str, str], ...] = ()
    entity_type: str | None = None
    entity_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Email:
    """What is to be known of an e-mail to speak of it."""

    type: str
    template_key: str
    to_address: str


@dataclass(frozen=True, slots=True)
class Context:
    """Whose story it is: the invoice, its currency, and the e-mails that occur."""

    invoice_id: UUID | None = None
    invoice_number: str | None = None
    currency_code: str | None = None
    emails: dict[UUID, Email] = field(default_factory=dict)

    def money(self, amount: object) -> str:
        """An amount from the audit log's text, with its sign when the currency is known."""
        if self.currency_code is None:
            return str(amount)
        return money_text(Decimal(str(amount)), self.currency_code)

    def share(self, data: Data) -> str:
        """What of a payment's allocations went to this invoice, or to all when it is nobody's."""
        amounts = [
            Decimal(part["amount"])
            for part in data.get("allocations", ())
            if self.invoice_id is None or part["invoice_id"] == str(self.invoice_id)
        ]
        return self.money(sum(amounts, Decimal("0.00")))


Telling = Callable[[Data, Data, Context], tuple[str, str | None]]


def tell(row: Any, context: Context) -> TimelineItem:
    """The entry of one audit row (its columns, `data` as JSON text)."""
    data = orjson.loads(row.data)
    before, after = data["before"] or {}, data["after"] or {}
    telling = _TELLINGS.get(row.action)
    if telling is not None:
        title, detail = telling(before, after, context)
    elif row.entity_type == "communication":
        title, detail = _tell_email(row, after, context)
    else:
        title, detail = _plainly(row.action), None
    changes = _changes(before, after) if row.action.endswith("updated") else ()
    if changes and detail is None:
        detail = "; ".join(f"{name}: {old} → {new}" for name, old, new in changes)
    return TimelineItem(
        at=row.at,
        type=row.action,
        title=title,
        detail=detail or None,
        actor=row.actor,
        correlation_id=row.correlation_id,
        changes=changes,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
    )


def _plainly(action: str) -> str:
    """ "tenant.updated" → "Tenant updated"."""
    return action.replace(".", " ").replace("_", " ").capitalize()


def _changes(before: Data, after: Data) -> tuple[tuple[str, str, str], ...]:
    names = dict.fromkeys([*before, *after])
    return tuple((name, _text(before.get(name)), _text(after.get(name))) for name in names)


def _text(value: object) -> str:
    return "—" if value is None else str(value)


def _day(text: str) -> str:
    return date_text(date.fromisoformat(text))


def _created(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    due = f", due {_day(after['due_date'])}" if after.get("due_date") else ""
    return "Invoice created", f"Total {context.money(after['total_amount'])}{due}"


def _sent(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    return f"Invoice sent as {after['invoice_number']}", (
        f"Balance due {context.money(after['balance_due'])}"
    )


def _reopened(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    return "Invoice reopened", f"{context.money(after['balance_due'])} is due again"


def _held(before: Data, after: Data, context: Context) -> tuple[str, str | None]:
    until = f" until {_day(after['until'])}" if "until" in after else ""
    kind = after.get("kind")
    if kind == InvoiceHold.PROMISE:
        title = f"{_promise(after, context)} promised{until.replace('until', 'by')}"
    else:
        title = f"{'Invoice disputed' if kind == InvoiceHold.DISPUTE else 'Chasing paused'}{until}"
    parts = [after["reason"]] if "reason" in after else []
    if before:
        day = f" until {_day(before['until'])}" if "until" in before else ""
        parts.append(
            f"{'instead' if parts else 'Instead'} of the {_hold_name(before).lower()}{day}"
        )
    return title, "; ".join(parts)


def _promise(hold: Data, context: Context) -> str:
    return f"Payment of {context.money(hold['amount'])}" if "amount" in hold else "Payment"


def _hold_name(hold: Data) -> str:
    names = {"dispute": "Dispute", "promise": "Promise to pay", "exclude": "Exclusion"}
    return names.get(str(hold.get("kind")), "Pause")


def _promise_kept(before: Data, after: Data, context: Context) -> tuple[str, str | None]:
    fallen = f"{context.money(after['paid'])} less is due than on the day it was given"
    return "Promise to pay kept", f"{_promise(before, context)} by {_day(after['until'])}: {fallen}"


def promise_broken(until: date) -> tuple[str, str]:
    """How it is told that nothing, or too little, came by the day that was promised."""
    return "Promise to pay broken", f"Payment was promised by {date_text(until)}; chasing resumes"


def _promise_broken(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    title, detail = promise_broken(date.fromisoformat(after["until"]))
    paid = Decimal(after["paid"])
    return title, f"{detail}; {context.money(paid)} of it came" if paid > 0 else detail


def _customer_held(_: Data, after: Data, __: Context) -> tuple[str, str | None]:
    until = f" until {_day(after['until'])}" if "until" in after else ""
    is_excluded = after.get("kind") == CustomerHold.EXCLUDE
    title = "Customer excluded from chasing" if is_excluded else "Chasing of the customer paused"
    return f"{title}{until}", after.get("reason")


def _released(before: Data, _: Data, __: Context) -> tuple[str, str | None]:
    return f"{_hold_name(before)} ended", "Chasing may go on"


def _recorded(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    received = f"received {_day(after['received_on'])}"
    if not after["allocations"]:
        return f"Payment of {context.money(after['amount'])} recorded", received
    whole = f"Of {context.money(after['amount'])} {received}"
    return f"Payment of {context.share(after)} applied", whole


def _applied(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    return f"Credit of {context.share(after)} applied", None


def _amount_and_share(data: Data, context: Context) -> tuple[str, str | None]:
    """What of a sum concerns this invoice, and the whole when that is more."""
    whole = context.money(data["amount"])
    if context.invoice_id is None:
        return whole, None
    share = context.share(data)
    return share, None if share == whole else f"Of {whole}"


def _refunded(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    amount, of = _amount_and_share(after, context)
    return f"Payment refunded: {amount} taken back", of


def _disputed(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    amount, of = _amount_and_share(after, context)
    return f"Payment disputed: {amount} taken back", of


def _dispute_won(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    if context.invoice_id is not None:
        amount, of = _amount_and_share(after, context)
        return f"Dispute won: {amount} applied again", of
    return f"Dispute won: {context.money(after['amount'])} is back", None


def _dispute_lost(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    amount, of = _amount_and_share(after, context)
    return f"Dispute lost: {amount} stays taken", of


def _dispute_lowered(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    return f"Disputed amount lowered by {context.money(after['amount'])}", "It was refunded"


def _claim_noted(before: Data, after: Data, context: Context) -> tuple[str, str | None]:
    amount = "" if after["amount"] is None else f" of {context.money(after['amount'])}"
    kind, end = str(after["kind"]), after["closed_as"]
    verb = f"{end}" if end else ("told again" if before else "told")
    return (
        f"{kind.capitalize()}{amount} {verb}",
        f"By {after['provider']}, of its payment {after['external_payment_id']}",
    )


def _step_taken_back(before: Data, after: Data, _: Context) -> tuple[str, str | None]:
    return f"Reminder step {before['step_number']} not sent", after.get("reason")


def _notice_queued(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    step = after["steps"].get(context.invoice_number)
    name = str(after["template_key"]).replace("_", " ")
    many = after.get("invoice_count", len(after["steps"]))
    together = f", one e-mail about {many} invoices" if many > 1 else ""
    number = "" if step is None else f" step {step}"
    return f"Reminder{number} queued", f"{name.capitalize()} to {after['to_address']}{together}"


def _steps_taken_again(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    step = after["steps"].get(context.invoice_number)
    return f"Reminder{'' if step is None else f' step {step}'} sent after all", None


def _plan_created(_: Data, after: Data, __: Context) -> tuple[str, str | None]:
    return f"Dunning plan {after['name']} created", _steps_told(after["steps"])


def _plan_updated(before: Data, after: Data, _: Context) -> tuple[str, str | None]:
    told = []
    if "name" in after:
        told.append(f"called {after['name']}, before {before['name']}")
    if "is_default" in after:
        told.append("now the default" if after["is_default"] else "no longer the default")
    if "is_active" in after:
        told.append("switched on" if after["is_active"] else "switched off")
    if "steps" in after:
        told.append(f"{_steps_told(after['steps'])}; before {_steps_told(before['steps'])}")
    detail = "; ".join(told)
    return "Dunning plan changed", detail[:1].upper() + detail[1:]


def _steps_told(steps: list[Data]) -> str:
    """ "reminders on days 0, 3 and 7"."""
    *others, last = (str(step["days_after_due"]) for step in steps)
    return (
        f"reminders on days {', '.join(others)} and {last}"
        if others
        else (f"one reminder on day {last}")
    )


def _contact_logged(_: Data, after: Data, context: Context) -> tuple[str, str | None]:
    outcome = str(after.get("outcome", "")).replace("_", " ")
    title = f"Call: {outcome}" if after["kind"] == "call" else "Note"
    about = after.get("invoice_number")
    parts = [
        str(after["note"]) if after.get("note") else "",
        f"about {about}" if about and about != context.invoice_number else "",
        f"again on {_day(after['next_on'])}" if after.get("next_on") else "",
    ]
    return title, "; ".join(part for part in parts if part)


def _email_returned(verb: str) -> Telling:
    def telling(_: Data, after: Data, __: Context) -> tuple[str, str | None]:
        address = f"{after['email']} gets no more e-mail" if after.get("email") else None
        parts = [part for part in (address, after.get("detail")) if part]
        return f"E-mail {verb}", "; ".join(parts)

    return telling


def _of_template(verb: str) -> Telling:
    def telling(before: Data, after: Data, _: Context) -> tuple[str, str | None]:
        of = after or before
        return f"E-mail template {of.get('name', of.get('template_key', ''))} {verb}", (
            f"Subject: {after['subject']}" if after.get("subject") else None
        )

    return telling


def _evaluated(_: Data, after: Data, __: Context) -> tuple[str, str | None]:
    counts = f"{after['email_count']} e-mails about {after['invoice_count']} invoices"
    return f"Dunning ran for {_day(after['as_of'])}", counts


def _of_letter(title: str) -> Telling:
    """What was done with a dead letter."""

    def telling(_: Data, after: Data, __: Context) -> tuple[str, str | None]:
        copy = f" as {after['copy_message_id']}" if "copy_message_id" in after else ""
        problem = f": {after['problem']}" if "problem" in after else ""
        return title, f"Message {after['message_id']} of {after['queue']}{copy}{problem}"

    return telling


def _said(title: str) -> Telling:
    """A fact whose only detail is the reason, when one was given."""
    return lambda _before, after, _context: (title, after.get("reason"))


_TELLINGS: dict[str, Telling] = {
    "invoice.created": _created,
    "invoice.updated": lambda _b, _a, _c: ("Draft changed", None),
    "invoice.sent": _sent,
    "invoice.fell_overdue": _said("Invoice fell overdue"),
    "invoice.paid": _said("Paid in full"),
    "invoice.reopened": _reopened,
    "invoice.voided": _said("Invoice voided"),
    "invoice.cancelled": _said("Invoice cancelled"),
    "invoice.held": _held,
    "invoice.released": _released,
    "promise.kept": _promise_kept,
    "promise.broken": _promise_broken,
    "customer.held": _customer_held,
    "customer.released": _released,
    "payment.recorded": _recorded,
    "payment.applied": _applied,
    "payment.reversed": _said("Payment reversed"),
    "payment.refunded": _refunded,
    "payment.disputed": _disputed,
    "payment.dispute_won": _dispute_won,
    "payment.dispute_lost": _dispute_lost,
    "payment.dispute_lowered": _dispute_lowered,
    "provider_claim.noted": _claim_noted,
    "contact.logged": _contact_logged,
    "customer.email_bounced": _email_returned("came back"),
    "customer.email_complained": _email_returned("reported as unwanted"),
    "customer.email_cleared": _said("E-mail address works again"),
    "email_template.saved": _of_template("saved"),
    "email_template.created": _of_template("created"),
    "email_template.reset": _of_template("reset"),
    "email_template.test_sent": _said("Test of an e-mail template sent"),
    "dunning.plan_created": _plan_created,
    "dunning.plan_updated": _plan_updated,
    "dunning.step_taken_back": _step_taken_back,
    "dunning.steps_taken_again": _steps_taken_again,
    "dunning.notice_queued": _notice_queued,
    "dunning.evaluated": _evaluated,
    "dead_letter.resubmitted": _of_letter("Dead letter sent again"),
    "dead_letter.discarded": _of_letter("Dead letter discarded"),
    "dead_letter.purged": _of_letter("Dead letter purged"),
    "dead_letter.restored": _of_letter("Discarded message sent again"),
    "dead_letter.not_found": _of_letter("Dead letter was gone already"),
    "dead_letter.not_handled": _of_letter("Dead letter could not be handled"),
    "dead_letter.left_alone": _of_letter("Dead letter left alone"),
}

_EMAIL_NAMES = {"invoice": "Invoice e-mail", "receipt": "Receipt e-mail"}


def _tell_email(row: Any, after: Data, context: Context) -> tuple[str, str | None]:
    """An e-mail queued, sent, failed or queued again."""
    email = context.emails.get(row.entity_id)
    name, to = "E-mail", None
    if email is not None:
        reminder = email.template_key.replace("_", " ").capitalize()
        name = _EMAIL_NAMES.get(email.type, f"{reminder} e-mail")
        to = f"To {email.to_address}"
    verb = row.action.partition(".")[2].replace("_", " ")
    return f"{name} {verb}", after.get("error") or to
