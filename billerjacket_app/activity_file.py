"""The audit log as a file: comma-separated, in pieces, so that its length does not matter.

Times stand in UTC and in the tenant's zone, which the heading names. A text that a spreadsheet
would take for a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from backend.reporting.activity import ActivityFilter, export_activity
from backend.unit_of_work import Reader

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# A function that reads as the person signed in.
Read = Callable[..., Awaitable[Any]]


def heading(zone: ZoneInfo) -> list[str]:
    """The names of the columns."""
    return [
        "sequence", "at (UTC)", f"at ({zone.key})", "action", "entity_type", "entity_id", "actor",
        "correlation_id", "before", "after",
    ]  # fmt: skip


def file_name(reader: Reader) -> str:
    """With the tenant's day in it."""
    return f"activity-{reader.today.isoformat()}.csv"


async def pieces(read: Read, narrowed: ActivityFilter, zone: ZoneInfo) -> AsyncIterator[bytes]:
    """The file, piece by piece, each read over a snapshot of its own: entries never change."""
    yield _csv([heading(zone)])
    before: int | None = None
    while rows := await read(export_activity, narrowed, before=before):
        yield _csv(_line(row, zone) for row in rows)
        before = rows[-1]["sequence"]


def _line(row: Mapping[str, Any], zone: ZoneInfo) -> list[str]:
    data, at = orjson.loads(row["data"]), row["at"]
    return [
        str(row["sequence"]),
        _instant(at, UTC),
        _instant(at, zone),
        row["action"],
        row["entity_type"],
        str(row["entity_id"]),
        row["actor"],
        row["correlation_id"],
        _json(data["before"]),
        _json(data["after"]),
    ]


def _instant(at: datetime, zone: Any) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _json(values: Any) -> str:
    return "" if values is None else orjson.dumps(values).decode()


def _csv(lines: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(
        [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in line] for line in lines
    )
    return text.getvalue().encode()
