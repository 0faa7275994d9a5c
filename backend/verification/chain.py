"""The check of one audit chain: every hash recomputed, no number missing, the end intact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.audit import AUDIT_HEADS, AUDIT_LOG, GENESIS, chain_hash
from backend.db.statements import PlatformStatement, at_most
from backend.unit_of_work import Reader
from backend.verification.findings import Finding

_BATCH = 5_000  # rows in memory at a time
_A, _H = AUDIT_LOG, AUDIT_HEADS
_OF_CHAIN = _A.c.tenant_id == sa.bindparam("chain")


def _rows_of(batch: int) -> PlatformStatement:
    return PlatformStatement(
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
        .limit(at_most(batch))
    )


_ROWS = _rows_of(_BATCH)
_HEAD = PlatformStatement(
    sa.select(_H.c.sequence, _H.c.hash).where(_H.c.tenant_id == sa.bindparam("chain"))
)


@dataclass(frozen=True, slots=True)
class Place:
    """How far the check of a chain has come: the last row seen and its hash."""

    sequence: int = 0
    hash: str = GENESIS


START = Place()


@dataclass(frozen=True, slots=True)
class ChainPart:
    """A stretch of a chain that was checked; the chain's length so far as the head tells it."""

    place: Place
    length: int
    is_last: bool
    findings: tuple[Finding, ...]


def check_chain(reader: Reader, chain: UUID) -> Iterator[Finding]:
    """Everything wrong with a tenant's audit chain (or the platform's)."""
    place, is_last = START, False
    while not is_last:
        part = _check_part(reader, chain, place)
        yield from part.findings
        place, is_last = part.place, part.is_last


def check_own_chain_part(reader: Reader, place: Place = START) -> ChainPart:
    """The next stretch of the tenant's own chain, for an Admin. Raises NotAllowed.

    Each may be read over a snapshot of its own: rows are only ever added behind those seen.
    """
    reader.actor.require(Action.TENANT_ADMIN)
    return _check_part(reader, reader.tenant_id, place)


def _check_part(reader: Reader, chain: UUID, place: Place) -> ChainPart:
    rows = reader.rows(_ROWS, chain=chain, after=place.sequence)
    findings: list[Finding] = []
    for row in rows:
        findings.extend(_check_row(chain, place, row))
        # Going on from the stored hash names each altered row once, not all after it.
        place = Place(row.sequence, row.hash)
    head = reader.first(_HEAD, chain=chain)
    stored = Place(head.sequence, head.hash) if head is not None else START
    is_last = len(rows) < _BATCH
    if is_last and stored != place:
        findings.append(
            Finding(
                chain,
                "audit_head",
                "audit_heads",
                f"#{stored.sequence} {stored.hash}",
                f"#{place.sequence} {place.hash}",
            )
        )
    return ChainPart(place, stored.sequence, is_last, tuple(findings))


def _check_row(chain: UUID, before: Place, row: Any) -> Iterator[Finding]:
    if row.sequence != before.sequence + 1:
        yield Finding(
            chain, "audit_sequence", "audit_log", str(before.sequence + 1), str(row.sequence)
        )
    digest = chain_hash(
        before.hash,
        chain,
        row.sequence,
        (row.entity_type, row.entity_id, row.action),
        (row.actor, row.user_id, row.at, row.correlation_id),
        row.data,
    )
    if row.previous_hash != before.hash or row.hash != digest:
        yield Finding(chain, "audit_hash", f"audit_log #{row.sequence}", digest, row.hash)
