"""`verify`: the books and the audit chain of one tenant, or of all and the platform's chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Actor, platform_system
from backend.audit import AUDIT_HEADS, AUDIT_LOG, PLATFORM_CHAIN
from backend.db.engine import Database
from backend.db.statements import PlatformStatement
from backend.errors import NotFound
from backend.tenants.models import TENANTS
from backend.unit_of_work import Reader, read
from backend.verification.books import check_books, count_books
from backend.verification.chain import check_chain
from backend.verification.findings import Finding

_TENANTS = PlatformStatement(sa.select(TENANTS.c.id).order_by(TENANTS.c.row_id))
_COUNT_AUDIT = PlatformStatement(sa.select(sa.func.count()).select_from(AUDIT_LOG))
_CHAINS = PlatformStatement(
    sa.union(sa.select(AUDIT_HEADS.c.tenant_id), sa.select(AUDIT_LOG.c.tenant_id))
)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, how many rows of each kind, and everything that differs."""

    tenants: int
    checked: dict[str, int]
    findings: list[Finding]

    @property
    def is_proven(self) -> bool:
        """Whether nothing differs."""
        return not self.findings


def verify_books(db: Database, tenant_id: UUID | None = None) -> Verification:
    """Check one tenant, or everything. Raises NotFound for an unknown tenant.

    Each tenant is read over one snapshot, so that work going on does not look like an error.
    """
    known = read(db, platform_system("verify"), _tenant_ids)
    if tenant_id is not None and tenant_id not in known:
        raise NotFound("There is no such tenant.", code="tenant_not_found")
    chosen = known if tenant_id is None else [tenant_id]
    findings: list[Finding] = []
    checked: Counter[str] = Counter()
    for one in chosen:
        actor = Actor.system(one, platform_system().correlation_id, who="verify")
        found, counts = read(db, actor, _check_tenant)
        findings.extend(found)
        checked.update(counts)
    if tenant_id is None:
        findings.extend(read(db, platform_system("verify"), _check_other_chains, known))
        checked["audit_entries"] = read(db, platform_system("verify"), _count_audit)
    return Verification(len(chosen), dict(checked), findings)


def _tenant_ids(reader: Reader) -> list[UUID]:
    return [row.id for row in reader.rows(_TENANTS)]


def _check_tenant(reader: Reader) -> tuple[list[Finding], dict[str, int]]:
    findings = [*check_books(reader), *check_chain(reader, reader.tenant_id)]
    return findings, count_books(reader)


def _check_other_chains(reader: Reader, tenants: list[UUID]) -> list[Finding]:
    """The platform's own chain, and any chain of a tenant that is not there."""
    chains = {row.tenant_id for row in reader.rows(_CHAINS)} | {PLATFORM_CHAIN}
    return [
        finding for chain in sorted(chains - set(tenants)) for finding in check_chain(reader, chain)
    ]


def _count_audit(reader: Reader) -> int:
    count: int = reader.scalar(_COUNT_AUDIT)
    return count
