"""`python -m bench [--quick] [NAME …]`: run benchmarks, print the table, write results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from backend import logging
from backend.config import LogFormat
from bench import api, broker, dunning, keys, lists, queues, reports, ui, webhooks
from bench.measure import Line

RESULTS = Path(__file__).with_name("results.json")


class Benchmark(Protocol):
    """Measures and yields lines; has the directory to itself."""

    def __call__(self, directory: Path, /, *, quick: bool) -> Iterator[Line]: ...


BENCHMARKS: dict[str, Benchmark] = {
    "api": api.run_api,
    "webhooks": webhooks.run_webhooks,
    "keys": keys.run_keys,
    "reports": reports.run_reports,
    "lists": lists.run_lists,
    "dunning": dunning.run_dunning,
    "queues": queues.run_queues,
    "broker": broker.run_broker,
    "ui": ui.run_ui,
}


def main() -> None:
    """Run what was asked for. A missed target is said in the table, it is no failure to measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller data")
    parser.add_argument(
        "--directory",
        type=Path,
        default=None,
        help="where the databases are made, on the disk to be measured",
    )
    asked = parser.parse_args()
    unknown = set(asked.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    # As in production, every request and message writes its line; nobody reads it here.
    nowhere = Path(os.devnull).open("w")  # noqa: SIM115 (open as long as the process lives)
    logging.configure(LogFormat.JSON, stream=nowhere)
    started = time.monotonic()
    lines: list[Line] = []
    for name in asked.names or BENCHMARKS:
        say(f"… {name}\n", to=sys.stderr.write)
        with tempfile.TemporaryDirectory(prefix="billerjacket-bench-", dir=asked.directory) as home:
            lines.extend(BENCHMARKS[name](Path(home), quick=asked.quick))
    took = time.monotonic() - started
    say(table(lines))
    say(f"\n{took:.0f} s on {platform.machine()}, Python {platform.python_version()}\n")
    RESULTS.write_text(json.dumps(_results(lines, quick=asked.quick, took=took), indent=2) + "\n")


def say(text: str, *, to: Callable[[str], object] = sys.stdout.write) -> None:
    """Write to the terminal at once."""
    to(text)
    sys.stdout.flush()


def table(lines: list[Line]) -> str:
    """The lines as text columns."""
    head = ("benchmark", "measured", "ours", "baseline", "ratio", "target", "")
    rows = [
        (
            line.name,
            line.measured,
            line.ours,
            line.baseline,
            f"{line.ratio:.2f}" if line.ratio >= 0.1 else f"{line.ratio:.4f}",
            f"{line.target} {line.bound:g}",
            "ok" if line.is_met else "MISSED",
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    every = (head, tuple("-" * width for width in widths), *rows)
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in every)
    return "".join("  ".join(row).rstrip() + "\n" for row in padded)


def _results(lines: list[Line], *, quick: bool, took: float) -> dict[str, object]:
    return {
        "quick": quick,
        "seconds": round(took, 1),
        "python": platform.python_version(),
        "lines": [asdict(line) | {"is_met": line.is_met} for line in lines],
    }


if __name__ == "__main__":
    main()
