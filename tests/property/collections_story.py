"""Stories of tenants and their customers: drawn by hypothesis, which shrinks them, or at length."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import strategies as st

# How often one thing happens beside another.
KINDS = {
    "bill": 20,
    "pay": 12,
    "reverse": 2,
    "promise": 5,
    "dispute": 2,
    "pause": 2,
    "release": 4,
    "void": 1,
    "hold_customer": 2,
    "release_customer": 3,
    "change_address": 5,
    "lose_address": 1,
    "return_mail": 2,
    "welcome_mail": 1,
    "refuse_mail": 1,
    "edit_plan": 2,
    "switch_plan": 1,
    "give_plan": 2,
    "change_gap": 1,
    "run_now": 2,
    "workers_away": 2,
    "mail_away": 2,
}
# What concerns a tenant, or everybody, is as rare however many customers there are.
OF_ALL = {"edit_plan", "switch_plan", "change_gap", "run_now", "workers_away", "mail_away"}
HOURS_AWAY_MAX = 5 * 24


@dataclass(frozen=True)
class Event:
    """Something that happens. The numbers say to whom, about what, how much and how long."""

    kind: str
    hour: int
    who: int
    which: int
    days: int


@dataclass(frozen=True)
class Day:
    """What happens on a day of UTC, and how many days nothing but time passes after it."""

    events: tuple[Event, ...]
    quiet: int = 0


@dataclass(frozen=True)
class Story:
    """`chance` decides what is left to it: whose turn it is, what comes late, what comes at once.

    The workers look every `hours`, `minute` minutes past.
    """

    begins: datetime
    chance: int
    minute: int
    hours: int
    days: tuple[Day, ...]


# Thanksgiving to New Year, both changes of the clocks, a leap day, and a summer.
BEGINNINGS = [
    datetime(2026, 11, 16, tzinfo=UTC),
    datetime(2026, 12, 18, tzinfo=UTC),
    datetime(2026, 3, 2, tzinfo=UTC),
    datetime(2028, 2, 21, tzinfo=UTC),
    datetime(2026, 6, 29, tzinfo=UTC),
]
_EVENTS = st.builds(
    Event,
    kind=st.sampled_from([kind for kind, weight in KINDS.items() for _ in range(weight)]),
    hour=st.sampled_from([20, 16, 0, 12]),  # mostly while somebody's window is open
    who=st.integers(0, 2),
    which=st.integers(0, 3),
    days=st.sampled_from([0, 1, 2, 0, 3, 4, 5, 6, 7, 8, 9]),
)
# The first day bills somebody, so that there is something to chase.
_BILLS = st.builds(
    Event,
    kind=st.just("bill"),
    hour=st.just(0),
    who=st.integers(0, 2),
    which=st.integers(0, 3),
    days=st.integers(0, 3),
)
_DAYS = st.builds(
    Day, st.lists(_EVENTS, min_size=1, max_size=5).map(tuple), st.sampled_from([0, 0, 0, 1, 2])
)
STORIES = st.builds(
    Story,
    begins=st.sampled_from(BEGINNINGS),
    chance=st.integers(0, 999),
    minute=st.integers(0, 59),
    hours=st.just(4),
    days=st.tuples(
        st.builds(Day, st.lists(_BILLS, min_size=2, max_size=6).map(tuple)),
        st.lists(_DAYS, min_size=3, max_size=12).map(tuple),
    ).map(lambda parts: (parts[0], *parts[1])),
)


def long_story(*, customers: int, days: int, chance: int) -> Story:
    """A story of so many days, in which a customer has something to do with us once a week."""
    draw = random.Random(chance)  # noqa: S311 (a story, not a secret)
    of_customers = {kind: weight for kind, weight in KINDS.items() if kind not in OF_ALL}
    told = []
    for _ in range(days):
        many = round(draw.gauss(customers / 7, customers / 40))
        kinds = draw.choices(list(of_customers), list(of_customers.values()), k=max(many, 1))
        kinds += [kind for kind in sorted(OF_ALL) if draw.random() < 1 / 20]
        told.append(
            Day(
                tuple(
                    Event(
                        kind,
                        draw.randrange(24),
                        draw.randrange(customers),
                        draw.randrange(4),
                        draw.randrange(10),
                    )
                    for kind in kinds
                )
            )
        )
    return Story(datetime(2026, 1, 1, tzinfo=UTC), chance, 13, 2, tuple(told))
