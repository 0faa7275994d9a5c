"""The emulator as a process, and by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator import Counts, Emulator
from tests.emulator.frames import Code
from tests.integration.emulator.wire import Wire

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.emulator", "--queue", "one-more"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_process_tells_where_it_is_and_ends_when_told(
    process: subprocess.Popen[str], stop: signal.Signals
):
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert told["connection_string"].startswith(f"Endpoint=sb://127.0.0.1:{told['port']};")
    with Wire(told["port"]) as wire:
        wire.open()
        wire.begin()
        for number, name in enumerate(["email-send", "one-more"]):
            wire.attach_receiver(name, handle=number)
            assert wire.expect(Code.ATTACH)[5] is not None

    os.kill(process.pid, stop)

    assert process.wait(10) == 0


def test_thousands_of_dead_letters_are_there_at_once():
    with Emulator() as emulator:
        began = time.monotonic()
        numbers = emulator.put_dead("email-send", message_id="m", count=10_000)
        assert emulator.counts("email-send") == Counts(dead=10_000)
        assert time.monotonic() - began < 20
        assert numbers == sorted(set(numbers))


def test_time_passes_at_once_and_for_everybody():
    with Emulator() as emulator:
        before = emulator.now()
        emulator.pass_time(3600)
        assert (emulator.now() - before).total_seconds() == pytest.approx(3600, abs=5)
        emulator.put("email-send")
        (seen,) = emulator.messages("email-send")
        assert (emulator.now() - seen.enqueued_at).total_seconds() < 5


def test_emptied_queues_are_empty():
    with Emulator(duplicate_detection=True) as emulator:
        emulator.put("email-send", message_id="m")
        emulator.put_dead("email-send")
        emulator.clear()
        assert emulator.counts("email-send") == Counts()
        emulator.put("email-send", message_id="m")
        assert emulator.counts("email-send") == Counts(ready=1)


def test_a_queue_that_is_not_there_is_named():
    with Emulator(("only-this",)) as emulator, pytest.raises(AssertionError, match="email-send"):
        emulator.put("email-send")
