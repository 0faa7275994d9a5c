"""One table from a status to how it looks: word, icon, colour scale. Pure Python.

The word says it, the icon repeats it, the colour is only the third cue. Rows carry a `Badge`
(three strings), so the browser decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billerjacket_app import format as fmt

DUE_SOON_DAYS = 7


@dataclass(frozen=True, slots=True)
class Badge:
    """A status as shown: text, the name of an icon in icons.svg, a scale with a `.b-*` class."""

    label: str = ""
    icon: str = "circle"
    scale: str = "slate"


INVOICE = {
    "draft": Badge("Draft", "circle-dashed", "slate"),
    "sent": Badge("Open", "circle", "indigo"),
    "overdue": Badge("Overdue", "triangle-alert", "red"),
    "paid": Badge("Paid", "circle-check", "green"),
    "void": Badge("Void", "ban", "slate"),
    "cancelled": Badge("Cancelled", "ban", "slate"),
}
PAYMENT = {
    "pending": Badge("Pending", "loader", "slate"),
    "succeeded": Badge("Succeeded", "check", "green"),
    "failed": Badge("Failed", "x", "red"),
    "reversed": Badge("Reversed", "undo-2", "bronze"),
}
EMAIL = {
    "queued": Badge("Queued", "send", "indigo"),
    "sent": Badge("Sent", "check", "green"),
    "failed": Badge("Failed", "x", "red"),
}
WEBHOOK = {
    "received": Badge("Received", "inbox", "slate"),
    "processing": Badge("Processing", "loader", "indigo"),
    "processed": Badge("Processed", "check", "green"),
    "failed": Badge("Failed", "x", "red"),
    "ignored": Badge("Ignored", "minus", "slate"),
}
SIGNATURE = {
    "verified": Badge("Verified", "circle-check", "green"),
    "api_key": Badge("API key", "key-round", "sky"),
    "failed": Badge("Bad signature", "key-round", "red"),
}
EFFECT = {
    "applied": Badge("Applied", "check", "green"),
    "unchanged": Badge("Nothing to change", "minus", "slate"),
    "kept_as_credit": Badge("Kept as credit", "split", "amber"),
    "waiting": Badge("Waits for its payment", "clock", "amber"),
}
HOLD = {
    "pause": Badge("Paused", "pause", "slate"),
    "dispute": Badge("Disputed", "shield-alert", "plum"),
    "promise": Badge("Promised", "calendar", "sky"),
    "exclude": Badge("Not chased", "ban", "slate"),
}
# Why somebody should call a customer.
WORKLIST = {
    "broken_promise": Badge("Promise broken", "flag", "red"),
    "follow_up": Badge("Call back", "calendar", "indigo"),
    "unreachable": Badge("No working e-mail", "mail-x", "red"),
    "plan_exhausted": Badge("All reminders sent", "octagon-pause", "amber"),
    "no_plan": Badge("No plan", "circle-dashed", "slate"),
    "high_value": Badge("High value", "banknote", "plum"),
    "long_overdue": Badge("Long overdue", "clock", "orange"),
}
CONTACT_OUTCOMES = {
    "reached": "Reached",
    "left_message": "Left a message",
    "no_answer": "No answer",
    "promised": "Promised to pay",
    "disputed": "Disputes the invoice",
    "refused": "Refuses to pay",
    "wrong_number": "Wrong number",
}
BROKEN_PROMISE = Badge("Promise broken", "flag", "red")
# Why an overdue invoice gets no reminder, as the run and its preview say it.
NOT_CHASED = {
    "customer_excluded": "Customer is never chased",
    "customer_paused": "Customer is paused",
    "disputed": "Disputed",
    "paused": "Paused",
    "promised": "Promised",
    "no_email": "Customer has no e-mail address",
    "email_bounced": "E-mail came back",
    "email_complained": "Customer complained of e-mail",
    "no_active_plan": "No active plan",
    "steps_exhausted": "All steps were sent",
    "chased_that_day": "Reminded that day already",
    "next_step_not_due": "Next step is not due yet",
    "customer_reminded_lately": "Customer was reminded lately",
}
# Why a message was set aside, by whoever did: our consumers, or a broker by its own rules.
DEAD_REASONS = {
    "bad_envelope": "Bad envelope",
    "unknown_message_type": "Unknown type",
    "refused": "Refused by the rules",
    "processing_failed": "Processing failed",
    "max_delivery_count_exceeded": "Tries used up",
    "MaxDeliveryCountExceeded": "Tries used up",
    "TTLExpiredException": "Expired",
}
DEAD_LETTER_ITEM = {
    "waiting": Badge("Waiting", "loader", "slate"),
    "sent": Badge("Copy sent, original not yet removed", "send", "indigo"),
    "archived": Badge("In the archive, original not yet removed", "archive", "indigo"),
    "gone": Badge("Was not there", "minus", "slate"),
    "failed": Badge("Failed", "x", "red"),
    "cancelled": Badge("Cancelled", "ban", "slate"),
}
DEAD_LETTER_DONE = {
    "resubmit": Badge("Resubmitted", "rotate-ccw", "orange"),
    "discard": Badge("Discarded", "archive", "bronze"),
    "purge": Badge("Purged", "archive", "bronze"),
}

EMAIL_TYPES = {
    "invoice": "Invoice",
    "dunning": "Reminder",
    "receipt": "Receipt",
    "other": "Other",
}
PROVIDERS = {"stripe": "Stripe", "standard": "Standard Webhooks"}
METHODS = {"manual": "Manual", "autopay": "Autopay", "external": "External"}
ROLES = {
    "superadmin": "Super admin",
    "admin": "Admin",
    "finance": "Finance",
    "support": "Support",
}


def invoice(status: str, *, due: date, today: date, paid: Decimal, balance: Decimal) -> Badge:
    """How an invoice's state looks on `today`, the tenant's calendar day.

    Overdue wins over partly paid, since it is what must be acted on; a due date in the next
    seven days is said in words.
    """
    look = INVOICE[status]
    if status == "overdue":
        return Badge(fmt.due_in(due, today), look.icon, look.scale) if due < today else look
    if status == "sent":
        if paid > 0 and balance > 0:
            return Badge("Partly paid", "contrast", "sky")
        if due < today:
            return Badge(fmt.due_in(due, today), "triangle-alert", "red")
        if (due - today).days <= DUE_SOON_DAYS:
            return Badge(fmt.due_in(due, today), "clock", "amber")
    return look


def dead_reason(reason: str | None) -> Badge:
    """Why a message was set aside; a reason that we did not give is shown as it stands."""
    if not reason:
        return Badge("No reason given", "circle-help", "slate")
    return Badge(DEAD_REASONS.get(reason, reason), "octagon-alert", "red")


def dead_letter_item(state: str, kind: str) -> Badge:
    """What became of one letter of a job."""
    return DEAD_LETTER_DONE[kind] if state == "done" else DEAD_LETTER_ITEM[state]


_NONE = Decimal(0)


def payment(
    status: str,
    *,
    unapplied: Decimal,
    currency_code: str,
    refunded: Decimal = _NONE,
    disputed: Decimal = _NONE,
) -> Badge:
    """How a payment looks: what a dispute took and what waits for an invoice have their amount."""
    if disputed > 0:
        return Badge(f"Disputed {fmt.money(disputed, currency_code)}", "shield-alert", "plum")
    if status == "succeeded" and unapplied > 0:
        return Badge(f"Unallocated {fmt.money(unapplied, currency_code)}", "split", "amber")
    if refunded > 0:
        is_all = status == "reversed"
        return Badge("Refunded" if is_all else "Partly refunded", "undo-2", "bronze")
    return PAYMENT[status]


def webhook(status: str, *, is_asked_again: bool) -> Badge:
    """How a provider's event stands; one that was asked for again waits for the worker."""
    return Badge("Replay queued", "rotate-ccw", "orange") if is_asked_again else WEBHOOK[status]


# How the entries of a timeline look, by the first words of their type. The longest match wins.
_TIMELINE = {
    "invoice": ("file-text", ""),
    "invoice.sent": ("send", "good"),
    "invoice.fell.overdue": ("clock", "bad"),
    "invoice.paid": ("circle-check", "good"),
    "invoice.reopened": ("rotate-ccw", ""),
    "invoice.voided": ("ban", ""),
    "invoice.cancelled": ("ban", ""),
    "invoice.updated": ("pencil", ""),
    "invoice.held": ("pause", ""),
    "invoice.released": ("arrow-right", ""),
    "promise.broken": ("flag", "bad"),
    "promise.kept": ("circle-check", "good"),
    "payment": ("banknote", "good"),
    "payment.failed": ("x", "bad"),
    "payment.attempt.failed": ("x", "bad"),
    "payment.applied": ("split", "good"),
    "payment.reversed": ("undo-2", "bad"),
    "payment.refunded": ("undo-2", "bad"),
    "payment.disputed": ("shield-alert", "bad"),
    "payment.dispute.won": ("rotate-ccw", "good"),
    "payment.dispute.lost": ("shield-alert", "bad"),
    "payment.dispute.lowered": ("shield-alert", ""),
    "provider.claim": ("webhook", ""),
    "communication": ("mail", ""),
    "communication.sent": ("mail-check", ""),
    "communication.failed": ("mail-x", "bad"),
    "communication.bounced": ("mail-x", "bad"),
    "dunning": ("bell-ring", ""),
    "customer": ("user", ""),
    "ledger": ("receipt", ""),
    "webhook": ("webhook", ""),
    "webhook.event.processed": ("check", "good"),
    "webhook.event.failed": ("x", "bad"),
    "webhook.event.replay": ("rotate-ccw", ""),
    "webhook.event.replayed": ("rotate-ccw", ""),
    "webhook.failed": ("webhook", "bad"),
    "message": ("inbox", ""),
    "message.dead.lettered": ("octagon-alert", "bad"),
    "message.delivery.failed": ("rotate-ccw", "bad"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A timeline entry's mark: an icon, and `good`, `bad` or nothing."""

    icon: str = "circle"
    tone: str = ""


def timeline(entry_type: str) -> Node:
    """The mark of a timeline entry; an unknown type gets a plain one."""
    parts = entry_type.replace("_", ".").split(".")
    for length in range(len(parts), 0, -1):
        found = _TIMELINE.get(".".join(parts[:length]))
        if found:
            return Node(*found)
    return Node("history", "")
