"""Mail that came back, and complaints about it: the address is marked, and nothing goes there.

Word of it comes from a mail server that refuses, from a provider, through the API, or from a
person. Told twice, it changes nothing. A corrected address is clean, and so is one that somebody
says works again; a complaint weighs more than a bounce.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import required_text
from backend.communications.models import EMAIL_RETURNS, ReturnKind
from backend.communications.queries import get_communication
from backend.communications.wording import single_line
from backend.customers.models import CUSTOMERS, EmailStatus
from backend.customers.queries import CustomerView, get_customer
from backend.db.statements import TENANT, Statement
from backend.errors import InvalidInput
from backend.ids import new_id
from backend.unit_of_work import Reader, UnitOfWork

DETAIL_CHARACTERS_MAX = 500
SOURCE_CHARACTERS_MAX = 50
RETURNS_MAX = 50
# Several customers may share an address, such as a bookkeeper's.
CUSTOMERS_MAX = 200

_R, _C = EMAIL_RETURNS, CUSTOMERS
_STATUS = {
    ReturnKind.BOUNCED: EmailStatus.BOUNCED,
    ReturnKind.COMPLAINED: EmailStatus.COMPLAINED,
}
_WEIGHT = {EmailStatus.OK: 0, EmailStatus.BOUNCED: 1, EmailStatus.COMPLAINED: 2}
_ADD = Statement(sa.insert(_R))
_KNOWN = Statement(
    sa.select(_R.c.id).where(
        _R.c.tenant_id == TENANT,
        _R.c.customer_id == sa.bindparam("customer_id"),
        _R.c.communication_id == sa.bindparam("communication_id"),
        _R.c.kind == sa.bindparam("kind", type_=_R.c.kind.type),
    )
)
_OF_CUSTOMER = Statement(
    sa.select(
        _R.c.kind, _R.c.address, _R.c.detail, _R.c.source, _R.c.communication_id, _R.c.created_at
    )
    .where(_R.c.tenant_id == TENANT, _R.c.customer_id == sa.bindparam("customer_id"))
    .order_by(_R.c.row_id.desc())
    .limit(sa.bindparam("count_max", type_=sa.Integer))
)
_WITH_ADDRESS = Statement(
    sa.select(_C.c.id)
    .where(_C.c.tenant_id == TENANT, sa.func.lower(_C.c.email) == sa.bindparam("address"))
    .order_by(_C.c.row_id)
    .limit(sa.bindparam("count_max", type_=sa.Integer))
)
# Only while the customer still has the address: a corrected one is not to blame.
_MARK = Statement(
    sa.update(_C)
    .where(
        _C.c.tenant_id == TENANT,
        _C.c.id == sa.bindparam("of_customer"),
        _C.c.email == sa.bindparam("its_address"),
    )
    .values(
        email_status=sa.bindparam("new_status", type_=_C.c.email_status.type),
        updated_at=sa.bindparam("now"),
        version=_C.c.version + 1,
    )
)


@dataclass(frozen=True, slots=True)
class ReturnView:
    """Word that came about an address: of which kind, from whom, and about which e-mail."""

    kind: ReturnKind
    address: str
    detail: str
    source: str
    communication_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report did: whose addresses it was about, and which of them it marked."""

    address: str
    customer_ids: tuple[UUID, ...]
    marked: tuple[UUID, ...]
    is_new: bool


def report_return(
    work: UnitOfWork,
    communication_id: UUID | None,
    address: str | None,
    kind: ReturnKind,
    detail: str | None,
    source: str,
    *,
    may_be_repeated: bool = True,
) -> Reported:
    """Mail came back, or was complained about: that of a communication, else all of an address.

    `detail` is what the other side said; `source` who told us, such as "mail server" or "api". What
    `may_be_repeated` counts once for a communication, also when the address was cleared since.
    Raises NotFound for an unknown communication, InvalidInput when neither is named, NotAllowed.
    """
    work.actor.require(Action.CUSTOMERS_WRITE)
    source = required_text(source, field="source", max_length=SOURCE_CHARACTERS_MAX)
    said = single_line(detail or "", characters_max=DETAIL_CHARACTERS_MAX)
    if communication_id is not None:
        head = get_communication(work, communication_id).head
        address, concerned = head.to_address, [head.customer_id]
        key = {"customer_id": head.customer_id, "communication_id": communication_id, "kind": kind}
        if may_be_repeated and work.first(_KNOWN, **key) is not None:
            return Reported(address, (head.customer_id,), (), is_new=False)
    elif address is not None and address.strip():
        address = address.strip()
        found = work.rows(_WITH_ADDRESS, address=address.lower(), count_max=CUSTOMERS_MAX)
        concerned = [row.id for row in found]
    else:
        raise InvalidInput.of("communication_id", "or an address must be given")
    told, marked = [], []
    for customer_id in concerned:
        is_marked = _mark(work, get_customer(work, customer_id), address, kind, source, said)
        if is_marked:
            marked.append(customer_id)
        if is_marked or communication_id is not None:
            told.append(customer_id)
    for customer_id in told:
        work.execute(
            _ADD,
            id=new_id(),
            customer_id=customer_id,
            communication_id=communication_id,
            address=address,
            kind=kind,
            detail=said,
            source=source,
            correlation_id=work.actor.correlation_id,
            created_at=work.now,
        )
    return Reported(address, tuple(concerned), tuple(marked), is_new=bool(told))


def list_returns(reader: Reader, customer_id: UUID) -> list[ReturnView]:
    """What came back from a customer's addresses, newest first. Raises NotFound."""
    reader.actor.require(Action.READ)
    get_customer(reader, customer_id)
    rows = reader.rows(_OF_CUSTOMER, customer_id=customer_id, count_max=RETURNS_MAX)
    return [ReturnView(*row) for row in rows]


def clear_return(work: UnitOfWork, customer_id: UUID) -> CustomerView:
    """Somebody says that the address works again, or is welcome again: e-mail goes there.

    Changes nothing when it was not marked. Raises NotFound, NotAllowed.
    """
    work.actor.require(Action.CUSTOMERS_WRITE)
    customer = get_customer(work, customer_id)
    if customer.email_status is EmailStatus.OK or customer.email is None:
        return customer
    _set_status(work, customer, EmailStatus.OK, "customer.email_cleared", {})
    return get_customer(work, customer_id)


def _mark(
    work: UnitOfWork,
    customer: CustomerView,
    address: str,
    kind: ReturnKind,
    source: str,
    detail: str,
) -> bool:
    """Mark the customer's address when it is still this one, and nothing worse is known of it."""
    status = _STATUS[kind]
    is_theirs = customer.email is not None and customer.email.lower() == address.lower()
    if not is_theirs or _WEIGHT[customer.email_status] >= _WEIGHT[status]:
        return False
    facts = {"email": customer.email, "source": source, "detail": detail}
    return _set_status(work, customer, status, f"customer.email_{kind}", facts)


def _set_status(
    work: UnitOfWork,
    customer: CustomerView,
    status: EmailStatus,
    action: str,
    facts: dict[str, str | None],
) -> bool:
    touched = work.execute(
        _MARK,
        of_customer=customer.customer_id,
        its_address=customer.email,
        new_status=status,
        now=work.now,
    )
    if touched:
        work.record(
            action,
            "customer",
            customer.customer_id,
            before={"email_status": customer.email_status},
            after={"email_status": status, **facts},
        )
    return touched == 1
