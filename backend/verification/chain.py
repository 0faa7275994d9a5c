"""The check of one audit chain: every hash recomputed, no number missing, the end intact."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import sqlalchemy as sa

from backend.audit import AUDIT_HEADS, AUDIT_LOG, GENESIS, chain_hash
from backend.db.statements import PlatformStatement, at_most
from backend.unit_of_work import Reader
from backend.verification.findings import Finding

_BATCH = 5_000  # rows in memory at a time
_A, _H = AUDIT_LOG, AUDIT_HEADS
_OF_CHAIN = _A.c.tenant_id == sa.bindparam("chain")
_ROWS = PlatformStatement(
    sa.select(
        _A.c.sequence,
        _A.c.entity_type,
        _A.c.entity_id,
        _A.c.action,
        _A.c.actor,
        _A.c.user_id,
        _A.c.at,
        _A.c.correlation_id,
        _A.c.data,
        _A.c.previous_hash,
        _A.c.hash,
    )
    .where(_OF_CHAIN, _A.c.sequence > sa.bindparam("after"))
    .order_by(_A.c.sequence)
    .limit(at_most(_BATCH))
)
_HEAD = PlatformStatement(
    sa.select(_H.c.sequence, _H.c.hash).where(_H.c.tenant_id == sa.bindparam("chain"))
)


def check_chain(reader: Reader, chain: UUID) -> Iterator[Finding]:
    """Everything wrong with a tenant's audit chain (or the platform's)."""
    previous, sequence = GENESIS, 0
    while rows := reader.rows(_ROWS, chain=chain, after=sequence):
        for row in rows:
            if row.sequence != sequence + 1:
                yield Finding(
                    chain, "audit_sequence", "audit_log", str(sequence + 1), str(row.sequence)
                )
            digest = chain_hash(
                previous,
                chain,
                row.sequence,
                (row.entity_type, row.entity_id, row.action),
                (row.actor, row.user_id, row.at, row.correlation_id),
                row.data,
            )
            if row.previous_hash != previous or row.hash != digest:
                yield Finding(chain, "audit_hash", f"audit_log #{row.sequence}", digest, row.hash)
            # Going on from the stored hash names each altered row once, not all after it.
            previous, sequence = row.hash, row.sequence
    head = reader.first(_HEAD, chain=chain)
    stored = (head.sequence, head.hash) if head is not None else (0, GENESIS)
    if stored != (sequence, previous):
        yield Finding(
            chain,
            "audit_head",
            "audit_heads",
            f"#{stored[0]} {stored[1]}",
            f"#{sequence} {previous}",
        )
