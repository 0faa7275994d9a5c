"""Reading communications: one with its bodies and attachments, and lists by key."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from backend.actor import Action
from backend.communications.models import (
    COMMUNICATION_ATTACHMENTS,
    COMMUNICATION_INVOICES,
    COMMUNICATIONS,
    Channel,
    CommunicationStatus,
    CommunicationType,
)
from backend.customers.models import CUSTOMERS
from backend.db.statements import TENANT, Statement, constant
from backend.errors import NotFound
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader

_M, _I, _A, _C = COMMUNICATIONS, COMMUNICATION_INVOICES, COMMUNICATION_ATTACHMENTS, CUSTOMERS
_HEAD = (
    _M.c.id.label("communication_id"),
    _M.c.channel,
    _M.c.type,
    _M.c.status,
    _M.c.to_address,
    _M.c.subject,
    _M.c.step_number,
    _M.c.template_key,
    _M.c.customer_id,
    _C.c.display_name.label("customer_name"),
    _M.c.payment_id,
    _M.c.provider_id,
    _M.c.error,
    _M.c.correlation_id,
    _M.c.created_at,
    _M.c.sent_at,
)
_WITH_CUSTOMER = _M.join(_C, sa.and_(_C.c.tenant_id == _M.c.tenant_id, _C.c.id == _M.c.customer_id))
_ALL = sa.select(*_HEAD).select_from(_WITH_CUSTOMER).where(_M.c.tenant_id == TENANT)
_OF_COMMUNICATION = ("customer_id", "payment_id", "dunning_run_id", "type", "status")
_ONE = _M.c.id == sa.bindparam("communication_id")
_GET = Statement(
    sa.select(*_HEAD, _M.c.text_body, _M.c.html_body, _M.c.template_problem)
    .select_from(_WITH_CUSTOMER)
    .where(_M.c.tenant_id == TENANT, _ONE)
)
_PLACE = Statement(sa.select(_M.c.row_id).where(_M.c.tenant_id == TENANT, _ONE))
_INVOICES_OF = Statement(
    sa.select(_I.c.invoice_id)
    .where(_I.c.tenant_id == TENANT, _I.c.communication_id == sa.bindparam("communication_id"))
    .order_by(_I.c.row_id)
)
_ATTACHMENTS_OF = Statement(
    sa.select(
        _A.c.id.label("attachment_id"),
        _A.c.filename,
        _A.c.content_type,
        _A.c.size,
        _A.c.sha256,
        sa.case((_A.c.content.is_(None), 0), else_=1).label("is_kept"),
    )
    .where(_A.c.tenant_id == TENANT, _A.c.communication_id == sa.bindparam("communication_id"))
    .order_by(_A.c.row_id)
)
_CONTENT = Statement(
    sa.select(_A.c.filename, _A.c.content_type, _A.c.content).where(
        _A.c.tenant_id == TENANT,
        _A.c.communication_id == sa.bindparam("communication_id"),
        _A.c.id == sa.bindparam("attachment_id"),
    )
)


@dataclass(frozen=True, slots=True)
class CommunicationView:
    """An e-mail as lists show it. `error` of a queued one is what went wrong at the last try."""

    communication_id: UUID
    channel: Channel
    type: CommunicationType
    status: CommunicationStatus
    to_address: str
    subject: str
    step_number: int | None
    template_key: str
    customer_id: UUID
    customer_name: str
    payment_id: UUID | None
    provider_id: str | None
    error: str | None
    correlation_id: str
    created_at: datetime
    sent_at: datetime | None
    invoice_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """A file that went along: `size` in bytes; `is_kept` when its content can still be had."""

    attachment_id: UUID
    filename: str
    content_type: str
    size: int
    sha256: str
    is_kept: bool


@dataclass(frozen=True, slots=True)
class CommunicationDetail:
    """An e-mail with all that was in it; bodies are empty until it is written.

    `template_problem` says why the tenant's own wording was passed over.
    """

    head: CommunicationView
    text_body: str
    html_body: str
    template_problem: str | None
    attachments: tuple[AttachmentView, ...]


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A kept attachment."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CommunicationFilter:
    """What a list of communications is narrowed to."""

    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    payment_id: UUID | None = None
    type: CommunicationType | None = None
    status: CommunicationStatus | None = None
    dunning_run_id: UUID | None = None


def get_communication(reader: Reader, communication_id: UUID) -> CommunicationDetail:
    """One e-mail with bodies and attachments; NotFound when the tenant has none of that id."""
    reader.actor.require(Action.READ)
    row = reader.first(_GET, communication_id=communication_id)
    if row is None:
        raise NotFound("There is no such communication.")
    attachments = []
    for attached in reader.rows(_ATTACHMENTS_OF, communication_id=communication_id):
        facts = (*attached[:-1], bool(attached.is_kept))
        attachments.append(AttachmentView(*facts))
    *head, text_body, html_body, problem = row
    view = _view(reader, head)
    return CommunicationDetail(view, text_body, html_body, problem, tuple(attachments))


def get_attachment(reader: Reader, communication_id: UUID, attachment_id: UUID) -> AttachedFile:
    """A kept file. Raises NotFound when there is none, or when it was sent and not kept."""
    reader.actor.require(Action.READ)
    row = reader.first(_CONTENT, communication_id=communication_id, attachment_id=attachment_id)
    if row is None:
        raise NotFound("There is no such attachment.")
    if row.content is None:
        raise NotFound("The file was sent by e-mail and not kept.", code="attachment_not_kept")
    return AttachedFile(row.filename, row.content_type, bytes(row.content))


def list_communications(
    reader: Reader,
    narrowed: CommunicationFilter = CommunicationFilter(),
    *,
    limit: int = 25,
    cursor: str | None = None,
) -> Page[CommunicationView]:
    """Communications, newest first."""
    reader.actor.require(Action.READ)
    checked_limit(limit)
    params: dict[str, Any] = {
        name: value
        for name in (*_OF_COMMUNICATION, "invoice_id")
        if (value := getattr(narrowed, name)) is not None
    }
    params["page"] = limit + 1
    if cursor is not None:
        place = reader.scalar(_PLACE, communication_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        params["before"] = place
    rows = reader.rows(_list_statement(frozenset(params)), **params)
    items = [_view(reader, row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1].communication_id) if more else None)


def _view(reader: Reader, head: Sequence[Any]) -> CommunicationView:
    invoices = reader.rows(_INVOICES_OF, communication_id=head[0])
    facts = (*head, tuple(found.invoice_id for found in invoices))
    return CommunicationView(*facts)


@functools.lru_cache(maxsize=64)
def _list_statement(given: frozenset[str]) -> Statement:
    query = _ALL
    for name in _OF_COMMUNICATION:
        if name in given:
            query = query.where(_M.c[name] == sa.bindparam(name, type_=_M.c[name].type))
    order: ColumnElement[int] = _M.c.row_id
    if "invoice_id" in given:
        about = sa.and_(_I.c.tenant_id == _M.c.tenant_id, _I.c.communication_id == _M.c.id)
        query = query.join(_I, about).where(
            _I.c.tenant_id == TENANT,
            _I.c.invoice_id == sa.bindparam("invoice_id", type_=_I.c.invoice_id.type),
        )
        # An invoice has few: found by its index and then sorted, rather than looked for along the
        # tenant's whole list because that happens to be in order.
        order = _M.c.row_id + constant(0)
    if "before" in given:
        query = query.where(order < sa.bindparam("before", type_=sa.BigInteger))
    return Statement(query.order_by(order.desc()).limit(sa.bindparam("page", type_=sa.Integer)))
