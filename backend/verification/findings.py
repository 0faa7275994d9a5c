"""What a check reports when something differs."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement: which check, about what, what should be there and what is."""

    tenant_id: UUID
    check: str
    subject: str
    expected: str
    found: str
