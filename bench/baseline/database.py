"""Baseline: one ORM session and one transaction per request on durable SQLite.

Writers begin with BEGIN IMMEDIATE, because a transaction that starts reading and then writes
fails at once when another has written in between; they wait for the lock by busy time-out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Header, HTTPException
from sqlmodel import Session, select

from backend import tables
from backend.identity.models import ApiKey
from backend.tenants.models import Tenant, TenantStatus

BUSY_SECONDS = 60

assert tables  # Every model is mapped before the first session.

engine = sa.create_engine(
    os.environ["BILLERJACKET_DATABASE_URL"],
    connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    pool_size=40,  # as many as there are threads for sync routes
)


@sa.event.listens_for(engine, "connect")
def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@sa.event.listens_for(engine, "begin")
def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_session() -> Iterator[Session]:
    """A session for one request; the route commits."""
    with Session(engine) as session:
        yield session


OpenSession = Annotated[Session, Depends(open_session)]


def known_caller(
    session: OpenSession, x_api_key: Annotated[str, Header()], x_tenant_id: Annotated[str, Header()]
) -> ApiKey:
    """The API key of the call, checked against the tenant."""
    parts = x_api_key.split("_")
    found = session.exec(
        select(ApiKey, Tenant)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)  # type: ignore[arg-type]
        .where(ApiKey.prefix == (parts[1] if len(parts) == 3 else ""))
    ).first()
    digest = hashlib.sha256(x_api_key.encode()).hexdigest()
    if found is None or not hmac.compare_digest(found[0].digest, digest):
        raise HTTPException(401, "unknown API key")
    key, tenant = found
    if (
        key.revoked_at is not None
        or tenant.status is not TenantStatus.ACTIVE
        or str(key.tenant_id) != x_tenant_id
    ):
        raise HTTPException(403, "not allowed")
    return key


Caller = Annotated[ApiKey, Depends(known_caller)]
