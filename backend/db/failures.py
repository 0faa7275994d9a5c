"""What a driver's error means: away for the moment, a lost race, or a bug."""

from __future__ import annotations

import re
import sqlite3

# Azure SQL's own list of transient errors, and the connection losses of the driver.
_MSSQL_UNAVAILABLE = """
    233 997 1204 4060 4221 10053 10054 10060 10928 10929 40143 40197 40501 40540 40613 49918
    49919 49920
"""
# Deadlock, lock time-out, snapshot conflict, and the unique violations a concurrent twin causes.
_MSSQL_LOST_RACE = frozenset(["1205", "1222", "3960", "2601", "2627"])
_NATIVE_NUMBER = re.compile(r"\((\d+)\) \(SQL")


class LostRace(Exception):
    """A row changed between reading and writing it; the doorway runs the use case again."""


def _native_number(error: BaseException) -> str | None:
    found = _NATIVE_NUMBER.search(str(error))
    return found.group(1) if found else None


def is_unavailable(error: BaseException) -> bool:
    """The database is locked, full or away: nothing was changed, and later it may answer."""
    if isinstance(error, sqlite3.OperationalError):
        # Missing tables and bad SQL are OperationalErrors too, but SQLITE_ERROR (1).
        return getattr(error, "sqlite_errorcode", 1) & 0xFF != sqlite3.SQLITE_ERROR
    return _native_number(error) in _MSSQL_UNAVAILABLE.split()


def is_lost_race(error: BaseException) -> bool:
    """Another transaction won; the same use case may be tried again from its start."""
    return isinstance(error, LostRace) or _native_number(error) in _MSSQL_LOST_RACE
