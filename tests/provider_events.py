"""What providers tell, for tests: events with short names, and what they leave behind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from backend.actor import Actor
from backend.db.engine import Database
from backend.invoices.queries import InvoiceView, get_invoice
from backend.payments.queries import PaymentView, find_external_payment
from backend.unit_of_work import read, run
from backend.verification.service import verify_books
from backend.webhooks.effects import Effect, apply_event
from backend.webhooks.events import EventKind, ProviderEvent

PROVIDER = "stripe"
PAYMENT = "pi_1"


class Teller:
    """A provider that tells one tenant's books what happened, about `pi_1` unless said otherwise.

    Whatever it tells, the books are proven afterwards, unless it is told to only write.
    """

    def __init__(
        self, db: Database, actor: Actor, provider: str = PROVIDER, *, only_writes: bool = False
    ) -> None:
        self.db = db
        self.actor = actor
        self.provider = provider
        self.only_writes = only_writes

    def tell(self, event: ProviderEvent) -> Effect:
        effect = run(self.db, self.actor, apply_event, self.provider, event)
        assert self.only_writes or verify_books(self.db).findings == []
        return effect

    def event(self, kind: EventKind, payment: str = PAYMENT, **fields: Any) -> ProviderEvent:
        fields.setdefault("occurred_at", self.db.clock())
        fields.setdefault("currency_code", "USD")
        for name in ("amount", "refunded_total"):
            if isinstance(fields.get(name), str):
                fields[name] = Decimal(fields[name])
        return ProviderEvent(kind, payment, **fields)

    def paid(self, amount: str | None = "100.00", **fields: Any) -> Effect:
        return self.tell(self.event(EventKind.PAYMENT_SUCCEEDED, amount=amount, **fields))

    def failed(self, amount: str | None = "100.00", **fields: Any) -> Effect:
        return self.tell(self.event(EventKind.PAYMENT_FAILED, amount=amount, **fields))

    def refunded(self, total: str | None, **fields: Any) -> Effect:
        return self.tell(self.event(EventKind.PAYMENT_REFUNDED, refunded_total=total, **fields))

    def disputed(self, amount: str | None, dispute_id: str | None = "dp_1", **more: Any) -> Effect:
        kind = EventKind.PAYMENT_DISPUTED
        return self.tell(self.event(kind, amount=amount, dispute_id=dispute_id, **more))

    def closed(
        self, dispute_id: str | None = "dp_1", *, won: bool | None, later: int = 0, **fields: Any
    ) -> Effect:
        """The dispute's end, so many seconds after now by the provider's clock."""
        fields.setdefault("occurred_at", self.db.clock() + timedelta(seconds=later))
        kind = EventKind.DISPUTE_CLOSED
        return self.tell(self.event(kind, dispute_id=dispute_id, is_won=won, **fields))

    def payment(self, payment: str = PAYMENT) -> PaymentView:
        found = read(self.db, self.actor, find_external_payment, self.provider, payment)
        assert found is not None
        return found

    def balances(self, *invoices: InvoiceView) -> list[str]:
        """What is due on each of the invoices."""
        found = [read(self.db, self.actor, get_invoice, one.invoice_id) for one in invoices]
        return [str(one.balance_due) for one in found]

    def amounts(self, payment: str = PAYMENT) -> dict[str, str]:
        """Where the payment's money is, what is nothing left out."""
        found = self.payment(payment)
        names = ("applied", "unapplied", "refunded", "disputed", "reversed")
        parts = {name: getattr(found, f"{name}_amount") for name in names}
        return {name: str(amount) for name, amount in parts.items() if amount}
