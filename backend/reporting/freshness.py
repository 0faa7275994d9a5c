"""How far a tenant's history goes: a number that grows with every state change."""

from __future__ import annotations

import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_HEADS
from backend.db.statements import TENANT, Statement
from backend.unit_of_work import Reader

_POSITION = Statement(sa.select(AUDIT_HEADS.c.sequence).where(AUDIT_HEADS.c.tenant_id == TENANT))


def get_position(reader: Reader) -> int:
    """The sequence of the tenant's newest audit row, 0 when there is none.

    A page that shows the tenant's data compares it with the number of its last load, which costs
    one row instead of the whole page.
    """
    reader.actor.require(Action.READ)
    return reader.scalar(_POSITION) or 0
