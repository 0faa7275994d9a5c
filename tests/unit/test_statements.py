"""A statement that forgets the tenant cannot be made; one that names it runs as written."""

import pytest
import sqlalchemy as sa

from backend.customers.models import CUSTOMERS as C
from backend.db.engine import Database
from backend.db.statements import (
    TENANT,
    PlatformStatement,
    Statement,
    UnscopedStatement,
    constant,
)
from backend.invoices.models import INVOICE_LINE_ITEMS as L
from backend.invoices.models import INVOICES as I
from backend.payments.models import PAYMENT_ALLOCATIONS as A
from backend.tables import METADATA
from backend.tenants.models import TENANTS as T

MINE = I.c.tenant_id == TENANT
WITH_CUSTOMER = sa.and_(C.c.tenant_id == I.c.tenant_id, C.c.id == I.c.customer_id)
OTHER = I.alias("other")
OPEN = sa.select(I.c.id, I.c.customer_id).where(MINE).cte("open")
LOOSE = sa.select(I.c.id, I.c.customer_id).cte("loose")

SCOPED = {
    "one table": sa.select(I.c.id).where(I.c.tenant_id == TENANT),
    "right side of an outer join": sa.select(C.c.id)
    .select_from(C.outerjoin(I, WITH_CUSTOMER))
    .where(C.c.tenant_id == TENANT),
    "join on the tenant": sa.select(I.c.id, C.c.email).join(C, WITH_CUSTOMER).where(MINE),
    "tied through the joined table": (
        sa.select(I.c.id).join(C, WITH_CUSTOMER).where(C.c.tenant_id == TENANT)
    ),
    "tied through two tables": (
        sa.select(L.c.id)
        .join(I, sa.and_(I.c.tenant_id == L.c.tenant_id, I.c.id == L.c.invoice_id))
        .join(C, WITH_CUSTOMER)
        .where(C.c.tenant_id == TENANT)
    ),
    "scoped subquery": sa.select(C.c.id).where(
        C.c.tenant_id == TENANT, C.c.id.in_(sa.select(I.c.customer_id).where(MINE))
    ),
    "correlated exists": sa.select(C.c.id).where(
        C.c.tenant_id == TENANT,
        sa.exists().where(I.c.tenant_id == C.c.tenant_id, I.c.customer_id == C.c.id),
    ),
    "common table expression": sa.select(OPEN.c.id),
    "alias": sa.select(OTHER.c.id).where(OTHER.c.tenant_id == TENANT),
    "self join": (sa.select(I.c.id).join(OTHER, OTHER.c.tenant_id == I.c.tenant_id).where(MINE)),
    "aggregate": sa.select(sa.func.sum(I.c.balance_due)).where(MINE).group_by(I.c.customer_id),
    "union": sa.union_all(
        sa.select(I.c.id).where(MINE), sa.select(C.c.id).where(C.c.tenant_id == TENANT)
    ),
    "or within the tenant": sa.select(I.c.id).where(
        MINE, sa.or_(I.c.status == constant("sent"), I.c.status == constant("paid"))
    ),
    "update": sa.update(I).where(MINE).values(notes=None),
    "delete": sa.delete(L).where(L.c.tenant_id == TENANT),
    "insert": sa.insert(C),
    "insert from scoped rows": sa.insert(A).from_select(
        ["tenant_id", "invoice_id"], sa.select(I.c.tenant_id, I.c.id).where(MINE)
    ),
    "the tenant itself": sa.select(T.c.name).where(T.c.id == TENANT),
    "text with the tenant": sa.text("SELECT 1 FROM invoices WHERE tenant_id = :tenant_id"),
    "no table at all": sa.select(sa.literal(1)),
}
LOOSE_ONES = {
    "no condition": sa.select(I.c.id),
    "only an id": sa.select(I.c.id).where(I.c.id == sa.bindparam("invoice_id")),
    "another parameter": sa.select(I.c.id).where(I.c.tenant_id == sa.bindparam("tenant")),
    "not equal": sa.select(I.c.id).where(I.c.tenant_id != TENANT),
    "negated": sa.select(I.c.id).where(sa.not_(I.c.tenant_id == TENANT)),
    "one arm of an or": sa.select(I.c.id).where(sa.or_(MINE, I.c.status == constant("paid"))),
    "one way of a case": sa.select(I.c.id).where(sa.case((MINE, 1), else_=1) == 1),
    "selected, not required": sa.select(I.c.id, MINE),
    "left side of an outer join": sa.select(C.c.id).select_from(
        C.outerjoin(I, sa.and_(WITH_CUSTOMER, MINE))
    ),
    "not exists": sa.select(C.c.id).where(~sa.exists().where(I.c.tenant_id == C.c.tenant_id, MINE)),
    "tied in a selected subquery only": sa.select(
        C.c.id,
        sa.select(sa.func.count(I.c.id))
        .where(MINE, I.c.tenant_id == C.c.tenant_id)
        .scalar_subquery(),
    ),
    "tenant of the wrong table": sa.select(I.c.id, C.c.id).where(MINE),
    "join without the tenant": sa.select(I.c.id).join(C, C.c.id == I.c.customer_id).where(MINE),
    "loose subquery": sa.select(C.c.id).where(
        C.c.tenant_id == TENANT, C.c.id.in_(sa.select(I.c.customer_id))
    ),
    "loose exists": sa.select(C.c.id).where(
        C.c.tenant_id == TENANT, sa.exists().where(I.c.customer_id == C.c.id)
    ),
    "loose scalar subquery": sa.select(
        C.c.id, sa.select(sa.func.count(I.c.id)).scalar_subquery()
    ).where(C.c.tenant_id == TENANT),
    "loose common table expression": sa.select(C.c.id)
    .join(LOOSE, LOOSE.c.customer_id == C.c.id)
    .where(C.c.tenant_id == TENANT),
    "loose derived table": sa.select(sa.select(I.c.id).subquery().c.id),
    "loose alias": sa.select(I.c.id, OTHER.c.id).where(MINE),
    "loose arm of a union": sa.union_all(sa.select(I.c.id).where(MINE), sa.select(C.c.id)),
    "count of everything": sa.select(sa.func.count()).select_from(I),
    "update": sa.update(I).where(I.c.id == sa.bindparam("invoice_id")).values(notes=None),
    "update by loose rows": sa.update(I)
    .where(MINE, I.c.customer_id.in_(sa.select(C.c.id)))
    .values(notes=None),
    "delete": sa.delete(L),
    "insert from loose rows": sa.insert(A).from_select(
        ["tenant_id", "invoice_id"], sa.select(I.c.tenant_id, I.c.id)
    ),
    "insert of another column as the tenant": sa.insert(A).from_select(
        ["tenant_id", "invoice_id"], sa.select(I.c.customer_id, I.c.id).where(MINE)
    ),
    "insert from rows without a tenant": sa.insert(A).from_select(
        ["invoice_id"], sa.select(I.c.id).where(MINE)
    ),
    "text without the tenant": sa.text("SELECT count(*) FROM invoices"),
}


@pytest.mark.parametrize("clause", SCOPED.values(), ids=SCOPED.keys())
def test_a_statement_tied_to_the_tenant_is_taken(clause: sa.ClauseElement):
    Statement(clause)


@pytest.mark.parametrize("clause", LOOSE_ONES.values(), ids=LOOSE_ONES.keys())
def test_a_statement_that_is_not_tied_to_the_tenant_cannot_be_made(clause: sa.ClauseElement):
    with pytest.raises(UnscopedStatement):
        Statement(clause)


def test_an_insert_that_leaves_out_the_tenant_cannot_be_made():
    with pytest.raises(UnscopedStatement, match="customers"):
        Statement(sa.insert(C), columns=["id", "display_name"])


def test_the_refusal_names_the_loose_table():
    with pytest.raises(UnscopedStatement, match=r"\['customers'\]"):
        Statement(LOOSE_ONES["tenant of the wrong table"])


def test_work_across_tenants_must_say_so():
    PlatformStatement(LOOSE_ONES["no condition"])


@pytest.mark.parametrize(
    "table",
    [table for table in METADATA.sorted_tables if "tenant_id" in table.c],
    ids=lambda table: table.name,
)
def test_no_table_with_a_tenant_can_be_read_without_it(table: sa.Table):
    with pytest.raises(UnscopedStatement):
        Statement(sa.select(table))
    Statement(sa.select(table).where(table.c.tenant_id == TENANT))


def test_a_statement_is_compiled_once_per_dialect(db: Database):
    statement = Statement(sa.select(I.c.id).where(MINE))
    assert statement.compiled_for(db.dialect) is statement.compiled_for(db.dialect)


def test_every_parameter_of_a_statement_must_be_given(db: Database):
    statement = Statement(sa.select(I.c.id).where(MINE, I.c.id == sa.bindparam("invoice_id")))
    with pytest.raises(KeyError, match="invoice_id"):
        statement.compiled_for(db.dialect).parameters({"tenant_id": None})


def test_a_constant_stands_in_the_text_so_that_a_partial_index_can_be_used(db: Database):
    statement = Statement(sa.select(I.c.id).where(MINE, I.c.status == constant("sent")))
    assert "status = 'sent'" in statement.compiled_for(db.dialect).sql
