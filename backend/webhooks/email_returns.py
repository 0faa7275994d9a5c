"""Events about e-mails: one came back, or its recipient complained about it."""

from __future__ import annotations

from backend.communications.models import ReturnKind
from backend.communications.returns import report_return
from backend.unit_of_work import UnitOfWork
from backend.webhooks.effects import Effect, Outcome
from backend.webhooks.events import EmailReturned

_WORDS = {
    ReturnKind.BOUNCED: "came back",
    ReturnKind.COMPLAINED: "was complained about",
}


def apply_return(work: UnitOfWork, provider: str, event: EmailReturned) -> Effect:
    """Mark the address. Asked again, it changes nothing and says so.

    Raises NotFound for a communication there is none of, InvalidInput when nothing is named.
    """
    report = report_return(
        work,
        event.communication_id,
        event.address,
        event.kind,
        event.reason,
        f"webhook:{provider}"[:50],
    )
    what = f"An e-mail to {report.address} {_WORDS[event.kind]}"
    if not report.customer_ids:
        return Effect(Outcome.UNCHANGED, None, f"{what}; no customer has it.", ("nobody_has_it",))
    if report.marked:
        count = len(report.marked)
        whom = "the customer" if count == 1 else f"the {count} customers who have it"
        return Effect(Outcome.APPLIED, None, f"{what}: nothing more is sent to {whom}.")
    if report.is_new:
        return Effect(Outcome.APPLIED, None, f"{what}; the customer has another address by now.")
    return Effect(Outcome.UNCHANGED, None, f"{what}: known already.", ("already_recorded",))
