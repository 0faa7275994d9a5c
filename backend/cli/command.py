"""What every command has: its settings, a database that is ready, and a way to answer."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backend import logging, migrate
from backend.actor import Actor, PlatformActor, platform_system
from backend.bootstrap import Services, open_services
from backend.config import LogLevel, Settings, load_settings
from backend.ids import new_id

WHO = "cli"


class CommandFailed(Exception):
    """The command cannot do what was asked; the text is the one line that says why."""


def start() -> Settings:
    """Settings for a command, with logs on stderr that keep to what went wrong.

    Raises WrongSettings.
    """
    settings = load_settings()
    # A command speaks through its result; what the services tell on the way is for servers.
    quiet = LogLevel.WARNING if settings.log_level is LogLevel.INFO else settings.log_level
    logging.configure(settings.log_format, quiet)
    return settings


@contextlib.contextmanager
def services(settings: Settings, *, migrating: bool = False) -> Iterator[Services]:
    """The wired services on a database at head; raises CommandFailed when it is not.

    With `migrating` it is brought to head first, except in production, where that is a decision.
    """
    migrating = migrating and not settings.is_production
    if not migrating:
        _require_database_file(settings)
    opened = open_services(settings)
    try:
        if migrating:
            migrate.upgrade(opened.db)
        elif not migrate.is_at_head(opened.db):
            raise CommandFailed(
                "the database does not have this version's tables: run python -m backend migrate"
            )
        yield opened
    finally:
        opened.close()


def platform() -> PlatformActor:
    """The person at the command line, acting on the platform."""
    return platform_system(WHO)


def inside(tenant_id: UUID) -> Actor:
    """The person at the command line, acting inside a tenant."""
    return Actor.system(tenant_id, new_id().hex, who=WHO)


def answer(arguments: argparse.Namespace, text: str, /, **result: object) -> None:
    """Write the result on stdout: as JSON when asked, else as text for a person."""
    if arguments.json:
        text = json.dumps(result, default=str)
    sys.stdout.write(text.rstrip("\n") + "\n")


def as_uuid(text: str) -> UUID:
    """An argument that is an id."""
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None


def as_day(text: str) -> date:
    """An argument that is a calendar day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-03-31") from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """An argument that is a whole number in a range."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {least} to {most}"
            )
        return int(text)

    return parse


def add_group(commands: Any, name: str, help_text: str) -> Any:
    """A word with commands of its own, to which `add_command` adds them."""
    group = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
    return group.add_subparsers(required=True, metavar="COMMAND")


def add_command(
    group: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help_text: str,
    *,
    json: bool = True,
) -> argparse.ArgumentParser:
    """A command; `run` gets the parsed arguments and returns the exit status."""
    parser: argparse.ArgumentParser = group.add_parser(
        name, help=help_text, description=help_text, allow_abbrev=False
    )
    if json:
        parser.add_argument("--json", action="store_true", help="answer as one JSON object")
    parser.set_defaults(run=run)
    return parser


def _require_database_file(settings: Settings) -> None:
    # Opening would create an empty file where somebody mistyped the path.
    url = sa.make_url(settings.database_url.get_secret_value())
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise CommandFailed(f"there is no database {url.database}: run python -m backend migrate")
