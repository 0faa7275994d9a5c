"""A worker says that it lives, and that it ends; one that is killed falls silent."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from backend.actor import platform_system
from backend.db.engine import Database
from backend.health import heartbeats
from backend.health.heartbeats import WorkerSeen, list_workers
from backend.unit_of_work import read
from tests.factories import Clock
from tests.queues import eventually
from tests.watched import WatchedDatabase
from worker.heartbeat import heartbeat

ROOT = Path(__file__).parents[3]
QUICK = 0.01  # seconds between beats


def workers(db: Database) -> list[WorkerSeen]:
    return read(db, platform_system("test"), list_workers)


def logged(logs: list[Any], event: str) -> int:
    return sum(line["event"] == event for line in logs)


def test_the_heart_beats_until_the_end_and_says_goodbye(db: Database, clock: Clock):
    began = clock.now
    with heartbeat(db, beat_seconds=QUICK):
        assert eventually(lambda: len(workers(db)) == 1)
        clock.pass_time(minutes=1)
        assert eventually(lambda: workers(db)[0].seen_at == clock.now)
        (seen,) = workers(db)
        assert (seen.started_at, seen.stopped_at, seen.is_running) == (began, None, True)
        assert seen.pid == os.getpid()
        clock.pass_time(minutes=1)

    (seen,) = workers(db)
    assert (seen.seen_at, seen.stopped_at) == (clock.now, clock.now)
    assert not seen.is_running


def test_even_the_shortest_life_is_noted(db: Database):
    with heartbeat(db):
        pass

    (seen,) = workers(db)
    assert seen.stopped_at is not None


def test_the_heart_goes_on_after_the_database_was_away(watched: WatchedDatabase, clock: Clock):
    with capture_logs() as logs, heartbeat(watched, beat_seconds=QUICK):
        assert eventually(lambda: len(workers(watched)) == 1)
        with closing(sqlite3.connect(str(watched.path))) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            assert eventually(lambda: logged(logs, "worker.heartbeat_missed") > 1)
        clock.pass_time(minutes=1)
        assert eventually(lambda: workers(watched)[0].seen_at == clock.now)


def test_a_goodbye_that_cannot_be_said_holds_nobody_up(db: Database):
    with closing(sqlite3.connect(str(db.path))) as connection:
        connection.execute("ALTER TABLE worker_heartbeats RENAME TO elsewhere")
        connection.commit()
    began = time.monotonic()

    with heartbeat(db):
        pass

    assert time.monotonic() - began < 10


@pytest.mark.parametrize("options", [[], ["--once"]], ids=["running", "once"])
def test_a_worker_process_is_seen_and_then_told_as_gone(
    database_file: Path, tmp_path: Path, options: list[str]
):
    with closing(Database(f"sqlite:///{database_file}")) as db:
        process = start_worker(tmp_path, *options)
        try:
            assert eventually(lambda: len(workers(db)) == 1)
            if not options:
                assert workers(db)[0].is_running
                process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait(30)
        (seen,) = workers(db)
        assert (seen.pid, seen.is_running) == (process.pid, False)
        assert seen.stopped_at is not None


def test_a_worker_that_was_killed_counts_as_gone_once_it_has_been_silent(
    database_file: Path, tmp_path: Path
):
    clock = Clock()
    with closing(Database(f"sqlite:///{database_file}", clock=clock)) as db:
        process = start_worker(tmp_path)
        try:
            assert eventually(lambda: len(workers(db)) == 1)
        finally:
            process.kill()
            process.wait(30)
        (seen,) = workers(db)
        assert seen.stopped_at is None
        clock.now = seen.seen_at
        clock.pass_time(seconds=heartbeats.RUNNING_SECONDS)
        assert workers(db)[0].is_running
        clock.pass_time(seconds=0.001)
        assert not workers(db)[0].is_running


def start_worker(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("BILLERJACKET_")
    }
    environment |= {
        "BILLERJACKET_DATABASE_URL": f"sqlite:///{folder / 'test.db'}",
        "BILLERJACKET_SECRET_KEY": "only-for-this-test",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "worker", *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
