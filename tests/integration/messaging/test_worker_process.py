"""`python -m worker` as a process: its options, its signals, its hunger, its sudden deaths."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from backend.actor import Actor
from backend.db.engine import Database
from tests.factories import make_customer, make_tenant, raw_count, raw_rows
from tests.queues import queue_payments

ROOT = Path(__file__).parents[3]


def start_worker(
    folder: Path, *options: str, database: str | None = None, output: Path | None = None
) -> subprocess.Popen[str]:
    """Start a worker; it writes to `output`, or to a pipe that the caller reads to the end."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("BILLERJACKET_")
    }
    environment |= {
        "BILLERJACKET_DATABASE_URL": database or f"sqlite:///{folder / 'test.db'}",
        "BILLERJACKET_SECRET_KEY": "only-for-this-test",
        "PYTHONPATH": str(ROOT),
    }
    with (output or Path(os.devnull)).open("w") as written:
        return subprocess.Popen(
            [sys.executable, "-m", "worker", *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE if output is None else written,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextmanager
def running_worker(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker that has started and writes to worker.log; killed at the end if still there."""
    output = folder / "worker.log"
    process = start_worker(folder, output=output)
    try:
        assert wait_until(lambda: "worker.started" in output.read_text(), seconds=30)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_help_says_what_the_worker_does(tmp_path: Path):
    process = start_worker(tmp_path, "--help")
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "--once" in output


@pytest.mark.parametrize(
    ("options", "database", "problem"),
    [
        (["--twice"], None, "unrecognized arguments"),
        ([], "postgresql://elsewhere/db", "BILLERJACKET_DATABASE_URL: expected"),
        (["--once"], "sqlite:///{folder}/empty.db", "is not migrated"),
        (["--once"], "sqlite:////proc/nowhere/test.db", "cannot be opened"),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_and_a_failure(
    tmp_path: Path, options: list[str], database: str | None, problem: str
):
    url = database and database.format(folder=tmp_path)
    process = start_worker(tmp_path, *options, database=url)
    output, _ = process.communicate(timeout=60)

    assert process.returncode != 0
    [line] = output.splitlines()
    assert problem in line


def test_once_drains_what_is_due_and_exits(real_db: Database, tmp_path: Path):
    actor = Actor.system(make_tenant(real_db), "once")
    customer = make_customer(real_db, actor)
    queue_payments(real_db, actor, customer.customer_id, 3)

    process = start_worker(tmp_path, "--once")
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 0, output
    assert raw_count(real_db, "payments") == 3


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_worker_cleanly(real_db: Database, tmp_path: Path, signum: int):
    with running_worker(tmp_path) as process:
        process.send_signal(signum)
        process.wait(30)

    output = (tmp_path / "worker.log").read_text()
    assert process.returncode == 0
    assert "healthy=True" in output
    assert "Traceback" not in output


def test_an_idle_worker_uses_next_to_no_cpu(real_db: Database, tmp_path: Path):
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    with running_worker(tmp_path) as process:

        def cpu_seconds() -> float:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / ticks_per_second

        time.sleep(1)
        before = cpu_seconds()
        time.sleep(4)
        used = cpu_seconds() - before

    # It is under one percent; a part that runs in circles would use a hundred.
    assert used < 0.4


def _has_payments(db: Database, count: int) -> bool:
    return raw_count(db, "payments") >= count


@pytest.mark.faults
def test_workers_killed_at_any_moment_lose_nothing_and_do_nothing_twice(
    real_db: Database, tmp_path: Path
):
    chance = random.SystemRandom()
    actor = Actor.system(make_tenant(real_db), "kill")
    customer = make_customer(real_db, actor)
    total, kills = 600, 5
    queue_payments(real_db, actor, customer.customer_id, total)

    def count(state: str) -> int:
        ((found,),) = raw_rows(
            real_db,
            "SELECT count(*) FROM queue_messages WHERE queue = 'payment-commands' AND state = ?",
            state,
        )
        return found

    for _ in range(kills):
        with running_worker(tmp_path) as process:
            goal = raw_count(real_db, "payments") + chance.randrange(1, 80)
            assert wait_until(partial(_has_payments, real_db, goal), seconds=60)
            process.kill()

    with running_worker(tmp_path):
        # What the dead ones held is taken up when their leases end.
        assert wait_until(lambda: count("done") == total, seconds=90)

    assert raw_rows(real_db, "SELECT count(*), sum(amount) FROM payments") == [
        (total, sum(100 * (number + 1) for number in range(total)))
    ]
    assert (count("ready"), count("dead")) == (0, 0)
    assert raw_rows(real_db, "SELECT count(*) FROM outbox WHERE sent_at IS NULL") == [(0,)]
