"""What is to happen, decided before anything does: customers, and what becomes of their invoices.

Pure: the same words, seed and numbers give the same plan. Days are counted back from the day the
demo is built for, so a day of 12 is twelve days ago and one of -5 is still to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from backend.customers.service import CreateCustomer
from backend.demo import words as w
from backend.demo.words import Words

HISTORY_DAYS = 425  # fourteen months
# Before this day the businesses mailed paper. It bounds the number of PDFs: they are most of the
# time that the demo takes to build, and of its size.
EMAIL_DAYS = 150

# The scenes that every demo has need this many, of each business.
CUSTOMERS_MIN = 3
INVOICES_MIN = 15
# From here on a business has all scenes, and enough ordinary days between them.
_ALL_SCENES_FROM = 60
_ALL_TRAITS_FROM = 10


class Trait(StrEnum):
    """What is particular about a customer."""

    PLAIN = "plain"
    NO_EMAIL = "no_email"
    EXCLUDED = "excluded"
    PAUSED = "paused"
    BOUNCED = "bounced"
    AUTOPAY = "autopay"
    STATEMENT = "statement"  # pays once a month, all that is open with one check


class Scene(StrEnum):
    """What becomes of an invoice, or of some that belong together."""

    ORDINARY = "ordinary"
    DRAFT = "draft"
    DRAFT_VOIDED = "draft_voided"
    UNPAID = "unpaid"
    PART_PAID = "part_paid"
    PAID_TODAY = "paid_today"
    VOIDED = "voided"
    CANCELLED = "cancelled"
    ONE_CHECK = "one_check"
    CREDIT = "credit"
    DEPOSIT = "deposit"
    REFUSED = "refused"
    BOUNCED = "bounced"
    BOUNCED_AND_REPAID = "bounced_and_repaid"
    PAUSED = "paused"
    DISPUTED = "disputed"
    PROMISED = "promised"
    PROMISE_BROKEN = "promise_broken"
    PROMISE_KEPT = "promise_kept"


@dataclass(frozen=True, slots=True)
class PlannedCustomer:
    """A customer: since which day, and how many days after the due date it usually pays."""

    command: CreateCustomer
    is_company: bool
    trait: Trait
    since: int
    pays: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Episode:
    """A scene with one customer: one invoice for each day.

    The day is the one on which the invoice falls due; of ordinary ones and drafts the one on which
    it is written.
    """

    scene: Scene
    customer: int
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens in one business."""

    words: Words
    customers: tuple[PlannedCustomer, ...]
    episodes: tuple[Episode, ...]


_PUNCTUAL, _USUAL, _LATE, _SLOW = (-22, -2), (-8, 4), (3, 18), (15, 45)
_HABITS = (_PUNCTUAL, _USUAL, _LATE, _SLOW)
_HABIT_WEIGHTS = (30, 38, 22, 10)
_TERMS_OF_COMPANIES = (30, 30, 30, 45, 15)
_TERMS_OF_PEOPLE = (15, 14, 30)

# Due 7 and 13 days ago: whatever the weekday, the second or the third reminder was the last one.
# Due 3 days ago: the first one was, unless today is a Monday, which then begins with it.
_FIRST = (
    (Scene.DRAFT, (1,)),
    (Scene.DRAFT_VOIDED, (20,)),
    (Scene.PART_PAID, (-5,)),
    (Scene.PAUSED, (12,)),
    (Scene.DISPUTED, (40,)),
    (Scene.PROMISED, (70,)),
    (Scene.UNPAID, (130,)),
    (Scene.VOIDED, (28,)),
    (Scene.CANCELLED, (52,)),
    (Scene.ONE_CHECK, (110, 96)),
    (Scene.REFUSED, (60,)),
    (Scene.PAID_TODAY, (0,)),
)
_SECOND = (
    (Scene.DRAFT, (1,)),
    (Scene.UNPAID, (-12,)),
    (Scene.CREDIT, (50, 22)),
    (Scene.BOUNCED_AND_REPAID, (90,)),
    (Scene.BOUNCED, (20,)),
    (Scene.PROMISE_BROKEN, (33,)),
    (Scene.UNPAID, (3,)),
    (Scene.UNPAID, (7,)),
    (Scene.UNPAID, (13,)),
    (Scene.UNPAID, (100,)),
    (Scene.PART_PAID, (18,)),
    (Scene.PAID_TODAY, (0,)),
)
_MORE = (
    (Scene.UNPAID, (45,)),
    (Scene.UNPAID, (75,)),
    (Scene.UNPAID, (160,)),
    (Scene.PART_PAID, (35,)),
    (Scene.ONE_CHECK, (64, 57, 51, 48)),
    (Scene.BOUNCED_AND_REPAID, (200,)),
    (Scene.CANCELLED, (150,)),
    (Scene.VOIDED, (220,)),
    (Scene.DEPOSIT, (-9,)),
    (Scene.PROMISE_KEPT, (26,)),
)
# With these customers something is always open, so that it shows why they are not chased.
_TRAIT_SCENES = {
    Trait.NO_EMAIL: (Scene.UNPAID, (25,)),
    Trait.EXCLUDED: (Scene.UNPAID, (50,)),
    Trait.PAUSED: (Scene.UNPAID, (15,)),
    Trait.BOUNCED: (Scene.UNPAID, (41,)),
}


def make_plan(index: int, random: Random, *, customers: int, invoices: int) -> Plan:
    """The plan of the first (0) or second (1) business.

    At least CUSTOMERS_MIN customers and INVOICES_MIN invoices are needed.
    """
    words = (w.ROOFING, w.HEATING)[index]
    cast = tuple(_customers(index, words, random, customers))
    wide = invoices >= _ALL_SCENES_FROM
    own, other = (_FIRST, _SECOND) if index == 0 else (_SECOND, _FIRST)
    scenes = [*own, *other, *_MORE] if wide else list(own)
    # The oldest customers are the ones whose affairs are entangled.
    patient = [
        number
        for number, one in enumerate(cast)
        if one.trait is Trait.PLAIN and one.since == HISTORY_DAYS
    ]
    episodes = [
        Episode(scene, patient[number % len(patient)], days)
        for number, (scene, days) in enumerate(scenes)
    ]
    episodes += [
        Episode(*_with_customer(_TRAIT_SCENES[one.trait], number))
        for number, one in enumerate(cast)
        if one.trait in _TRAIT_SCENES
    ]
    told = sum(len(episode.days) for episode in episodes)
    episodes += _ordinary(cast, random, invoices - told)
    return Plan(words, cast, tuple(episodes))


def _with_customer(
    scene: tuple[Scene, tuple[int, ...]], customer: int
) -> tuple[Scene, int, tuple[int, ...]]:
    return scene[0], customer, scene[1]


def _ordinary(cast: tuple[PlannedCustomer, ...], random: Random, count: int) -> list[Episode]:
    days = sorted((random.randint(1, HISTORY_DAYS - 5) for _ in range(count)), reverse=True)
    episodes = []
    for day in days:
        # An invoice is written on a workday, up to two days before the day that was drawn.
        there = [number for number, one in enumerate(cast) if one.since > day + 2]
        episodes.append(Episode(Scene.ORDINARY, random.choice(there), (day,)))
    return episodes


def _customers(index: int, words: Words, random: Random, count: int) -> Iterator[PlannedCustomer]:
    names = _names(random)
    for number in range(count):
        trait = _trait(index, number, count, random)
        name, is_company = next(names)
        if trait is Trait.STATEMENT:
            while not is_company:
                name, is_company = next(names)
        # Two thirds are taken over when the business begins here, the others come later.
        is_old = trait is not Trait.PLAIN or number < 3 or number % 3 != 0
        since = HISTORY_DAYS if is_old else random.randint(40, HISTORY_DAYS - 40)
        yield PlannedCustomer(
            CreateCustomer(
                display_name=name,
                email=None if trait is Trait.NO_EMAIL else _email(name, is_company, random),
                phone=f"({random.choice(words.area_codes)}) 555-01{random.randint(0, 99):02d}",
                billing_address=f"{random.randint(12, 4890)} {random.choice(w.STREETS)}\n"
                f"{random.choice(words.towns)}",
                payment_terms_days=random.choice(
                    _TERMS_OF_COMPANIES if is_company else _TERMS_OF_PEOPLE
                ),
                external_source="roof-jobs" if words.job_app else None,
                external_reference_id=f"C-{1001 + number}" if words.job_app else None,
            ),
            is_company,
            trait,
            since,
            random.choices(_HABITS, _HABIT_WEIGHTS)[0],
        )


def _trait(index: int, number: int, count: int, random: Random) -> Trait:
    first, second = (Trait.NO_EMAIL, Trait.EXCLUDED), (Trait.PAUSED, Trait.BOUNCED)
    own, other = (first, second) if index == 0 else (second, first)
    special = own if count < _ALL_TRAITS_FROM else own + other
    if 1 <= number <= len(special):
        return special[number - 1]
    if number >= 6 and number % 3 != 0:
        return random.choices((Trait.PLAIN, Trait.AUTOPAY, Trait.STATEMENT), (60, 22, 18))[0]
    return Trait.PLAIN


def _names(random: Random) -> Iterator[tuple[str, bool]]:
    """Names that do not repeat, each with whether it is a company's; three of five are."""
    companies = [f"{place} {kind}" for place in w.PLACES for kind in w.KINDS]
    people = [f"{first} {last}" for first in w.FIRST_NAMES for last in w.LAST_NAMES]
    random.shuffle(companies)
    random.shuffle(people)
    number = 0
    while companies or people:
        is_company = bool(companies) and (number % 5 < 3 or not people)
        yield (companies if is_company else people).pop(), is_company
        number += 1


def _email(name: str, is_company: bool, random: Random) -> str:
    slug = name.lower().replace("'", "")
    if is_company:
        return f"{random.choice(w.DESKS)}@{slug.replace(' ', '-')}.example"
    return f"{slug.replace(' ', '.')}@mail.example"
