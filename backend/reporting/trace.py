"""The trace of one id: all that the service knows about it, in time order.

A correlation id leads to everything done under it, and so do a message and a webhook event, which
have one. An invoice, a payment, an e-mail or any other row leads to its own history, and to the
messages about it. Only the actor's tenant is looked at: what belongs to another is unknown.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_LOG
from backend.communications.models import COMMUNICATIONS
from backend.db.statements import TENANT, Statement
from backend.db.types import Id
from backend.errors import NotFound
from backend.messaging.contracts import DunningEmailRequested, Queue
from backend.messaging.lineage import original_id
from backend.messaging.models import DELIVERY_FAILURES, OUTBOX, QUEUE_MESSAGES
from backend.payments.models import PAYMENT_ATTEMPTS, PAYMENTS, PROVIDER_CLAIMS
from backend.reporting.history import Context, Email, TimelineItem
from backend.reporting.sources import (
    ATTEMPTS,
    AUDIT,
    ENTRIES,
    FAILURES,
    LEDGER,
    MESSAGES,
    QUEUES,
    ROWS_MAX,
    WEBHOOKS,
    Source,
    of_entries,
)
from backend.reporting.timeline import EMAILS_OF_INVOICE, PAYMENTS_OF_INVOICE
from backend.unit_of_work import Reader
from backend.webhooks.models import WEBHOOK_EVENTS
from backend.webhooks.providers import PROVIDERS

_ENTITY_TYPES = (
    "invoice",
    "payment",
    "provider_claim",
    "customer",
    "communication",
    "dunning_run",
    "dunning_plan",
    "tenant",
    "user",
    "api_key",
    "dead_letter",
    "dead_letter_job",
    "webhook_endpoint",
    "webhook_event",
)
# One request can ask for many events again: their own stories are told when they are few.
_EVENTS_TOLD_MAX = 20
_L, _A, _P, _M = AUDIT_LOG, PAYMENT_ATTEMPTS, PAYMENTS, COMMUNICATIONS
_O, _Q, _F = OUTBOX, QUEUE_MESSAGES, DELIVERY_FAILURES
_W, _K = WEBHOOK_EVENTS, PROVIDER_CLAIMS

_CORRELATION: sa.BindParameter[str] = sa.bindparam("correlation_id", type_=sa.String)
_ID: sa.BindParameter[UUID] = sa.bindparam("wanted", type_=Id())
_INVOICE_ID: sa.BindParameter[UUID] = sa.bindparam("invoice_id", type_=Id())
Query = tuple[Source, Statement]


def _query(source: Source, *conditions: Any) -> Query:
    return source, Statement(source.where(*conditions))


_UNDER_A_CORRELATION: tuple[Query, ...] = (
    _query(AUDIT, _L.c.correlation_id == _CORRELATION),
    _query(LEDGER, of_entries(ENTRIES.c.correlation_id == _CORRELATION)),
    _query(ATTEMPTS, _A.c.correlation_id == _CORRELATION),
    _query(MESSAGES, _O.c.correlation_id == _CORRELATION),
    _query(QUEUES, _Q.c.correlation_id == _CORRELATION),
    _query(WEBHOOKS, _W.c.correlation_id == _CORRELATION),
)
_OF_THE_ENTITY = _query(
    AUDIT, _L.c.entity_type == sa.bindparam("entity_type"), _L.c.entity_id == _ID
)
_OF_THE_EMAIL = _query(
    MESSAGES,
    _O.c.message_id.in_(
        sa.select(_M.c.source_message_id).where(_M.c.tenant_id == TENANT, _M.c.id == _ID)
    ),
)
_THE_MESSAGE = _query(MESSAGES, _O.c.message_id == _ID)
_THE_QUEUED = _query(
    QUEUES, _Q.c.queue == sa.bindparam("queue"), _Q.c.message_id == sa.bindparam("message_id")
)
# Of the message and of every copy of it.
_THE_FAILURES = _query(
    FAILURES,
    _F.c.queue == sa.bindparam("queue"),
    _F.c.original_message_id == sa.bindparam("original_message_id"),
)
_THE_EMAIL_OF_THE_MESSAGE = _query(
    AUDIT,
    _L.c.entity_type == "communication",
    _L.c.entity_id.in_(
        sa.select(_M.c.id).where(_M.c.tenant_id == TENANT, _M.c.source_message_id == _ID)
    ),
)
_THE_WEBHOOK = _query(WEBHOOKS, _W.c.id == _ID)
_THE_PROVIDERS_EVENT = _query(
    WEBHOOKS,
    _W.c.provider == sa.bindparam("provider"),
    _W.c.external_event_id == sa.bindparam("external_event_id"),
)
_THE_PAYMENTS = sa.select(_P.c.external_payment_id).where(_P.c.tenant_id == TENANT, _P.c.id == _ID)
_OF_THE_PAYMENT: tuple[Query, ...] = (
    # What the provider tried before it succeeded.
    _query(
        ATTEMPTS,
        _A.c.external_provider.in_(_THE_PAYMENTS.with_only_columns(_P.c.external_provider)),
        _A.c.external_payment_id.in_(_THE_PAYMENTS),
        _A.c.external_at.is_not(None),
    ),
    # What it took back, also what was told before the payment came.
    _query(
        AUDIT,
        _L.c.entity_type == "provider_claim",
        _L.c.entity_id.in_(
            sa.select(_K.c.id)
            .join(
                _P,
                sa.and_(
                    _P.c.tenant_id == _K.c.tenant_id,
                    _P.c.external_provider == _K.c.provider,
                    _P.c.external_payment_id == _K.c.external_payment_id,
                ),
            )
            .where(_K.c.tenant_id == TENANT, _P.c.id == _ID)
        ),
    ),
    _query(LEDGER, of_entries(ENTRIES.c.payment_id == _ID)),
    _query(
        ATTEMPTS,
        _A.c.correlation_id.in_(
            sa.select(_P.c.correlation_id).where(_P.c.tenant_id == TENANT, _P.c.id == _ID)
        ),
        _A.c.payment_id == _ID,
    ),
)
_SOURCES_OF_EMAILS = sa.select(_M.c.source_message_id).where(
    _M.c.tenant_id == TENANT, _M.c.id.in_(EMAILS_OF_INVOICE)
)
_OF_THE_INVOICE: tuple[Query, ...] = (
    _query(AUDIT, _L.c.entity_type == "payment", _L.c.entity_id.in_(PAYMENTS_OF_INVOICE)),
    _query(AUDIT, _L.c.entity_type == "communication", _L.c.entity_id.in_(EMAILS_OF_INVOICE)),
    _query(LEDGER, of_entries(ENTRIES.c.invoice_id == _INVOICE_ID)),
    _query(ATTEMPTS, _A.c.invoice_id == _INVOICE_ID),
    _query(MESSAGES, _O.c.message_id.in_(_SOURCES_OF_EMAILS)),
)
# Around an invoice or payment: what was asked for with the same request. Not the reminders: those
# of one dunning run, to all customers, share one correlation id.
_AROUND_A_CORRELATION: tuple[Query, ...] = (
    _query(
        MESSAGES,
        _O.c.correlation_id == _CORRELATION,
        _O.c.message_type != DunningEmailRequested.model_fields["message_type"].default,
    ),
    _query(WEBHOOKS, _W.c.correlation_id == _CORRELATION),
)
_EMAIL = Statement(
    sa.select(_M.c.type, _M.c.template_key, _M.c.to_address).where(
        _M.c.tenant_id == TENANT, _M.c.id == _ID
    )
)


def list_trace(reader: Reader, wanted: str) -> list[TimelineItem]:
    """All that is known about an id, oldest first; at most ROWS_MAX rows of each log.

    Raises NotFound when the tenant has nothing of that id.
    """
    reader.actor.require(Action.READ)
    wanted = wanted.strip()
    found = _Found(reader)
    found.add_correlation(wanted)
    _, the_event = _THE_PROVIDERS_EVENT
    for provider in PROVIDERS:
        for row in reader.rows(the_event, provider=provider, external_event_id=wanted):
            found.add_correlation(row.correlation_id)
    wanted_id = _as_uuid(original_id(wanted))  # a copy of a message tells the same story
    if wanted_id is not None:
        found.add_id(wanted_id)
    found.add_events_asked_for()
    found.add_failed_deliveries()
    if not found.rows:
        raise NotFound("Nothing is known about this id.")
    return found.items()


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class _Found:
    """Rows of all logs, each once however many ways led to it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.rows: dict[tuple[str, int], tuple[Source, Any]] = {}
        self._has_more = False

    def add_correlation(self, correlation_id: str) -> None:
        for query in _UNDER_A_CORRELATION:
            self._add(query, correlation_id=correlation_id)

    def add_id(self, wanted: UUID) -> None:
        self._add_with_its_correlation(_THE_MESSAGE, wanted=wanted)
        for queue in Queue:
            self._add_with_its_correlation(_THE_QUEUED, queue=queue.value, message_id=str(wanted))
        self._add_with_its_correlation(_THE_WEBHOOK, wanted=wanted)
        for entity_type in _ENTITY_TYPES:
            self._add(_OF_THE_ENTITY, entity_type=entity_type, wanted=wanted)
        for query in _OF_THE_INVOICE:
            self._add(query, invoice_id=wanted)
        for query in (*_OF_THE_PAYMENT, _OF_THE_EMAIL):
            self._add(query, wanted=wanted)
        self._add_what_was_asked_with_it()
        self._add_what_became_of_messages()

    def add_events_asked_for(self) -> None:
        """The webhook events that what was found so far is about, with all that came of them."""
        events = {
            row.entity_id
            for source, row in self.rows.values()
            if source is AUDIT and row.entity_type == "webhook_event"
        }
        if len(events) <= _EVENTS_TOLD_MAX:
            for event_id in events:
                self._add_with_its_correlation(_THE_WEBHOOK, wanted=event_id)

    def add_failed_deliveries(self) -> None:
        messages = {
            (row.queue, original_id(str(row.message_id)))
            for source, row in self.rows.values()
            if source in (MESSAGES, QUEUES)
        }
        for queue, message_id in messages:
            self._add(_THE_FAILURES, queue=queue, original_message_id=message_id)

    def items(self) -> list[TimelineItem]:
        """All of it in time order; what happened at one instant by cause and effect."""
        context = Context(emails=self._emails())
        told = sorted(
            (
                (item.at, source.rank, row_id, item)
                for (_, row_id), (source, row) in self.rows.items()
                for item in source.tell(row, context)
            ),
            key=lambda entry: entry[:3],
        )
        items = [item for *_, item in told]
        if self._has_more:
            items.append(_cut_off(items[-1]))
        return items

    def _add(self, query: Query, **params: Any) -> list[Any]:
        source, statement = query
        rows = self._reader.rows(statement, **params)
        if len(rows) > ROWS_MAX:
            self._has_more = True
            del rows[ROWS_MAX:]
        for row in rows:
            self.rows[source.table.name, row.row_id] = (source, row)
        return rows

    def _add_with_its_correlation(self, query: Query, **params: Any) -> None:
        for row in self._add(query, **params):
            if row.correlation_id is not None:
                self.add_correlation(row.correlation_id)

    def _add_what_was_asked_with_it(self) -> None:
        correlation_ids = {
            row.correlation_id
            for source, row in self.rows.values()
            if source is AUDIT and row.entity_type in ("invoice", "payment", "webhook_event")
        }
        for correlation_id in correlation_ids:
            for query in _AROUND_A_CORRELATION:
                self._add(query, correlation_id=correlation_id)

    def _add_what_became_of_messages(self) -> None:
        written = [row for source, row in self.rows.values() if source is MESSAGES]
        for row in written:
            self._add(_THE_QUEUED, queue=row.queue, message_id=str(row.message_id))
            self._add(_THE_EMAIL_OF_THE_MESSAGE, wanted=row.message_id)

    def _emails(self) -> dict[UUID, Email]:
        ids = {
            row.entity_id
            for source, row in self.rows.values()
            if source is AUDIT and row.entity_type == "communication"
        }
        found = {one: self._reader.first(_EMAIL, wanted=one) for one in ids}
        return {one: Email(*row) for one, row in found.items() if row is not None}


def _cut_off(last: TimelineItem) -> TimelineItem:
    return TimelineItem(
        at=last.at,
        type="trace.cut_off",
        title="There is more",
        detail=f"Only the first {ROWS_MAX} rows of each log are shown.",
        actor=None,
        correlation_id=None,
    )
