"""The one table of invoice states: which event leads where, and nothing else."""

from __future__ import annotations

from enum import StrEnum

from backend.errors import StateConflict
from backend.invoices.models import InvoiceStatus


class InvoiceEvent(StrEnum):
    """What can happen to an invoice."""

    SEND = "send"
    FALL_DUE = "fall_due"
    SETTLE = "settle"
    REOPEN = "reopen"
    VOID = "void"
    CANCEL = "cancel"


_DRAFT, _SENT, _OVERDUE, _PAID, _VOID, _CANCELLED = (
    InvoiceStatus.DRAFT,
    InvoiceStatus.SENT,
    InvoiceStatus.OVERDUE,
    InvoiceStatus.PAID,
    InvoiceStatus.VOID,
    InvoiceStatus.CANCELLED,
)
TRANSITIONS: dict[tuple[InvoiceStatus, InvoiceEvent], InvoiceStatus] = {
    (_DRAFT, InvoiceEvent.SEND): _SENT,
    (_DRAFT, InvoiceEvent.VOID): _VOID,
    (_SENT, InvoiceEvent.FALL_DUE): _OVERDUE,
    (_SENT, InvoiceEvent.SETTLE): _PAID,
    (_SENT, InvoiceEvent.VOID): _VOID,
    (_SENT, InvoiceEvent.CANCEL): _CANCELLED,
    (_OVERDUE, InvoiceEvent.SETTLE): _PAID,
    (_OVERDUE, InvoiceEvent.VOID): _VOID,
    (_OVERDUE, InvoiceEvent.CANCEL): _CANCELLED,
    (_PAID, InvoiceEvent.REOPEN): _SENT,
}
OPEN = frozenset({_SENT, _OVERDUE})

# The stable code of a refusal tells a program what was tried.
_CODES = {
    InvoiceEvent.SEND: "invoice_not_draft",
    InvoiceEvent.SETTLE: "invoice_not_open",
}


def next_status(status: InvoiceStatus, event: InvoiceEvent) -> InvoiceStatus:
    """The status after the event; StateConflict when the event is not possible in this one."""
    following = TRANSITIONS.get((status, event))
    if following is None:
        raise StateConflict(
            f"An invoice that is {status} cannot {event.replace('_', ' ')}.",
            code=_CODES.get(event, "illegal_transition"),
            status=status,
        )
    return following
