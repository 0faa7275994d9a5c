"""The contact log: calls and notes about a customer, and when to come back to them.

What was logged is never changed: who remembers better logs another note. The newest contact
decides whether a customer stands on the worklist: `next_on` is the day to look again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_text, sensible_day
from backend.customers.queries import get_customer
from backend.db.statements import TENANT, Statement, at_most
from backend.db.types import Id
from backend.dunning.models import CONTACT_LOG, ContactKind, ContactOutcome
from backend.errors import FieldError, InvalidInput
from backend.ids import new_id
from backend.invoices.models import INVOICES
from backend.invoices.queries import find_invoice
from backend.paging import Page, checked_limit, decode_cursor, encode_cursor, unknown_cursor
from backend.unit_of_work import Reader, UnitOfWork

NOTE_LENGTH_MAX = 2000

_L, _I = CONTACT_LOG, INVOICES
_CUSTOMER = sa.bindparam("customer_id", type_=Id())
_ADD = Statement(sa.insert(_L))
_OF_CUSTOMER = (
    sa.select(
        _L.c.id.label("contact_id"),
        _L.c.customer_id,
        _L.c.invoice_id,
        _I.c.invoice_number,
        _L.c.kind,
        _L.c.outcome,
        _L.c.note,
        _L.c.next_on,
        _L.c.created_by,
        _L.c.created_at,
        _L.c.correlation_id,
    )
    .select_from(
        _L.outerjoin(_I, sa.and_(_I.c.tenant_id == _L.c.tenant_id, _I.c.id == _L.c.invoice_id))
    )
    .where(_L.c.tenant_id == TENANT, _L.c.customer_id == _CUSTOMER)
    .order_by(_L.c.row_id.desc())
)
_PAGE: sa.BindParameter[int] = sa.bindparam("page", type_=sa.Integer)
_FIRST_PAGE = Statement(_OF_CUSTOMER.limit(_PAGE))
_NEXT_PAGE = Statement(
    _OF_CUSTOMER.where(_L.c.row_id < sa.bindparam("before", type_=sa.BigInteger)).limit(_PAGE)
)
_NEWEST = Statement(_OF_CUSTOMER.limit(at_most(1)))
_PLACE = Statement(
    sa.select(_L.c.row_id).where(
        _L.c.tenant_id == TENANT,
        _L.c.customer_id == _CUSTOMER,
        _L.c.id == sa.bindparam("contact_id", type_=Id()),
    )
)


@dataclass(frozen=True, slots=True)
class LogContact:
    """A call, with what came of it, or a note, which needs text.

    `next_on` is the tenant's day on which to come back to the customer; until then it is not on
    the worklist. `invoice_id` says which of the customer's invoices it was about.
    """

    kind: ContactKind
    outcome: ContactOutcome | None = None
    note: str | None = None
    next_on: date | None = None
    invoice_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ContactView:
    """A contact as everybody reads it; the note of a call may be empty."""

    contact_id: UUID
    customer_id: UUID
    invoice_id: UUID | None
    invoice_number: str | None
    kind: ContactKind
    outcome: ContactOutcome | None
    note: str
    next_on: date | None
    created_by: str
    created_at: datetime
    correlation_id: str


def log_contact(work: UnitOfWork, customer_id: UUID, command: LogContact) -> ContactView:
    """Add a call or a note to a customer's log. Raises NotFound, InvalidInput, NotAllowed."""
    work.actor.require(Action.DUNNING_WRITE)
    get_customer(work, customer_id)
    note = optional_text(command.note, field="note", max_length=NOTE_LENGTH_MAX, many_lines=True)
    errors = _errors_of(command, note, work.today)
    invoice_number = None
    if command.invoice_id is not None:
        invoice = find_invoice(work, command.invoice_id)
        if invoice is None or invoice.customer_id != customer_id:
            errors.append(FieldError("invoice_id", "is not an invoice of this customer"))
        else:
            invoice_number = invoice.invoice_number
    if errors:
        raise InvalidInput(errors)
    view = ContactView(
        contact_id=new_id(),
        customer_id=customer_id,
        invoice_id=command.invoice_id,
        invoice_number=invoice_number,
        kind=command.kind,
        outcome=command.outcome,
        note=note or "",
        next_on=command.next_on,
        created_by=work.actor.who,
        created_at=work.now,
        correlation_id=work.actor.correlation_id,
    )
    work.execute(
        _ADD,
        id=view.contact_id,
        customer_id=customer_id,
        invoice_id=view.invoice_id,
        kind=view.kind,
        outcome=view.outcome,
        note=view.note,
        next_on=view.next_on,
        created_by=view.created_by,
        correlation_id=view.correlation_id,
        created_at=view.created_at,
    )
    work.record("contact.logged", "customer", customer_id, after=_facts(view))
    return view


def list_contacts(
    reader: Reader, customer_id: UUID, *, limit: int = 25, cursor: str | None = None
) -> Page[ContactView]:
    """A customer's contacts, newest first. Raises NotFound, InvalidInput."""
    checked_limit(limit)
    get_customer(reader, customer_id)
    statement, params = _FIRST_PAGE, {}
    if cursor is not None:
        place = reader.scalar(_PLACE, customer_id=customer_id, contact_id=decode_cursor(cursor))
        if place is None:
            raise unknown_cursor()
        statement, params = _NEXT_PAGE, {"before": place}
    rows = reader.rows(statement, customer_id=customer_id, page=limit + 1, **params)
    items = [ContactView(*row) for row in rows[:limit]]
    return Page(items, encode_cursor(items[-1].contact_id) if len(rows) > limit else None)


def newest_contact(reader: Reader, customer_id: UUID) -> ContactView | None:
    """The customer's newest contact, or None when there was none yet."""
    row = reader.first(_NEWEST, customer_id=customer_id)
    return None if row is None else ContactView(*row)


def _errors_of(command: LogContact, note: str | None, today: date) -> list[FieldError]:
    errors = []
    if command.kind is ContactKind.CALL and command.outcome is None:
        errors.append(FieldError("outcome", "a call needs what came of it"))
    if command.kind is ContactKind.NOTE and command.outcome is not None:
        errors.append(FieldError("outcome", "only a call has an outcome"))
    if command.kind is ContactKind.NOTE and note is None:
        errors.append(FieldError("note", "must not be empty"))
    if command.next_on is not None and sensible_day(command.next_on, field="next_on") < today:
        errors.append(FieldError("next_on", "must not lie in the past"))
    return errors


def _facts(view: ContactView) -> dict[str, object]:
    """What the audit log keeps of it: what was said, not the empty fields."""
    names = ("contact_id", "kind", "outcome", "note", "next_on", "invoice_id", "invoice_number")
    facts = {name: getattr(view, name) for name in names}
    return {name: value for name, value in facts.items() if value not in (None, "")}
