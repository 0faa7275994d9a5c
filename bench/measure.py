"""What a benchmark reports: ours and the baseline side by side, as a ratio with its target.

The machine is shared and its disk's speed swings, so seconds mean little by themselves. Ours and
the baseline take turns within one run, and what counts is the median of the rounds' ratios.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Target(StrEnum):
    """Which way a ratio should lie."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True)
class Line:
    """One line of the table. `ratio` is ours to the baseline, in what `measured` names."""

    name: str
    measured: str
    ours: str
    baseline: str
    ratio: float
    target: Target
    bound: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def is_met(self) -> bool:
        """Whether the ratio lies where it should."""
        if self.target is Target.AT_LEAST:
            return self.ratio >= self.bound
        return self.ratio <= self.bound


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all lie at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def seconds_of(action: Callable[[], object]) -> float:
    """How long one run of the action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def take_turns(
    ours: Callable[[], object], baseline: Callable[[], object], *, rounds: int, repeat: int = 1
) -> tuple[float, float, float]:
    """Seconds of ours and of the baseline per run, and the ratio: medians over the rounds.

    Each round runs both, `repeat` times each, the one that goes first changing.
    """
    mine, theirs, ratios = [], [], []
    for number in range(rounds):
        order = (ours, baseline) if number % 2 == 0 else (baseline, ours)
        took = {}
        for action in order:
            gc.collect()
            took[action] = min(seconds_of(action) for _ in range(repeat))
        mine.append(took[ours])
        theirs.append(took[baseline])
        ratios.append(took[ours] / took[baseline])
    return median(mine), median(theirs), median(ratios)


def duration(seconds: float) -> str:
    """A length of time as a person reads it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.1f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s"
