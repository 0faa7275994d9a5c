"""What several parts of the integration tests ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.actor import Actor
from backend.db.engine import Database
from tests.command_line import CommandLine
from tests.provider_events import Teller


@pytest.fixture
def command(
    tmp_path: Path,
    database_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    logging_restored: None,
) -> CommandLine:
    """The command line on a migrated, empty database."""
    return CommandLine(tmp_path, database_file, monkeypatch)


@pytest.fixture
def stripe(db: Database, actor: Actor) -> Teller:
    """A payment provider that tells the tenant's books what happened."""
    return Teller(db, actor)
