"""Commands that run and check the service: migrate, api, demo, dunning, verify."""

from __future__ import annotations

import argparse
from typing import Any

from backend import migrate
from backend.bootstrap import open_services
from backend.cli.command import (
    answer,
    start,
)


def add_commands(commands: Any) -> None:
    """Add `migrate`."""
    parser = commands.add_parser(
        "migrate", help="bring the database to this version's tables", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="answer as one JSON object")
    parser.set_defaults(run=_migrate)


def _migrate(arguments: argparse.Namespace) -> int:
    opened = open_services(start())
    try:
        was_at_head = migrate.is_at_head(opened.db)
        migrate.upgrade(opened.db)
    finally:
        opened.close()
    text = "The database was at head." if was_at_head else "The database is at head now."
    answer(arguments, text, migrated=not was_at_head)
    return 0
