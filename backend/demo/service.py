"""Building the demo: all of it in one transaction, into an empty database, or nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

from backend.actor import PlatformActor, Role, platform_system
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.demo import scenes
from backend.demo.plan import CUSTOMERS_MIN, HISTORY_DAYS, INVOICES_MIN, Plan, Trait, make_plan
from backend.demo.post import Post
from backend.demo.shop import Desk, Shop
from backend.demo.stage import Event, OneTransaction, Stage, StoryClock
from backend.demo.story import Script
from backend.demo.words import ROOFING
from backend.errors import InvalidInput, StateConflict
from backend.identity.users import CreateUser, create_user, has_users, hash_new_password
from backend.tenants.service import list_tenants
from backend.unit_of_work import Reader, UnitOfWork, read, run

# Known to everybody, for the demo is for looking around; production takes no demo data.
PASSWORD = "billerjacket-demo"  # noqa: S105
SUPERADMIN = "superadmin@billerjacket.example"

CUSTOMERS_DEFAULT, CUSTOMERS_LEAST, CUSTOMERS_MOST = 60, 2 * CUSTOMERS_MIN, 1_000
INVOICES_DEFAULT, INVOICES_LEAST, INVOICES_MOST = 400, 2 * INVOICES_MIN, 10_000

_USERS = 1 + 2 * 3
# Of the mailbox that cannot be reached any more: since so many days.
_RETURNED_DAYS = 60
# The first instants of today must have passed, for in them the last things happen.
_SETTLING = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """One business of the demo, and with which addresses its people sign in."""

    id: UUID
    name: str
    time_zone: str
    admin_email: str
    finance_email: str
    support_email: str


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What was made, and how to get in. `api_key` is the first tenant's, known only now."""

    tenants: tuple[DemoTenant, ...]
    superadmin_email: str
    password: str
    api_key: str


def is_empty(reader: Reader) -> bool:
    """Whether nobody and nothing is in the database yet. Raises NotAllowed."""
    return not has_users(reader) and not list_tenants(reader)


def seed_if_empty(services: Services) -> DemoResult | None:
    """The demo for a newcomer: into an empty database, and never in production."""
    if services.settings.is_production:
        return None
    if not read(services.db, platform_system("demo"), is_empty):
        return None
    return build_demo(services.db)


def build_demo(
    db: Database,
    *,
    seed: int = 1,
    customers: int = CUSTOMERS_DEFAULT,
    invoices: int = INVOICES_DEFAULT,
) -> DemoResult:
    """Make two businesses and fourteen months of their invoices; takes some seconds.

    The same seed, day and numbers give the same story. Other writers of an SQLite database wait
    meanwhile, or are told that it is busy. Raises InvalidInput, StateConflict
    (database_not_empty), Busy.
    """
    _check("customers", customers, CUSTOMERS_LEAST, CUSTOMERS_MOST)
    _check("invoices", invoices, INVOICES_LEAST, INVOICES_MOST)
    # Hashing takes its time on purpose: not inside the transaction.
    hashes = [hash_new_password(PASSWORD, email=SUPERADMIN) for _ in range(_USERS)]
    stop = threading.Event()
    try:
        return run(
            db,
            platform_system("demo"),
            _build,
            seed=seed,
            customers=customers,
            invoices=invoices,
            hashes=hashes,
            stop=stop,
        )
    except BaseException:
        # Ctrl-C while waiting: the transaction is given up, and the database stays empty.
        stop.set()
        raise


def _check(field: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise InvalidInput.of(field, f"must be between {least} and {most}")


def _build(
    work: UnitOfWork,
    *,
    seed: int,
    customers: int,
    invoices: int,
    hashes: list[str],
    stop: threading.Event,
) -> DemoResult:
    if not is_empty(work):
        raise StateConflict(
            "The database is not empty; demo data goes into an empty one.",
            code="database_not_empty",
        )
    # Everywhere else in the demo it is then today as well, or already a little later.
    today = (work.now - _SETTLING).astimezone(ZoneInfo(ROOFING.time_zone)).date()
    begin = datetime.combine(today, datetime.min.time(), UTC) - timedelta(days=HISTORY_DAYS + 1)
    clock = StoryClock(begin)
    stage = Stage(OneTransaction(work, clock), clock)
    platform = _superadmin(stage, hashes[0])
    password_hashes = iter(hashes[1:])
    order = count()
    shops: list[Shop] = []
    events: list[Event] = []
    returned: dict[str, datetime] = {}
    for index in (0, 1):
        random = Random(f"{seed}/{index}")  # noqa: S311 (the same story each time)
        plan = make_plan(
            index,
            random,
            customers=_share(customers, index),
            invoices=_share(invoices, index),
        )
        shop = Shop(stage, plan.words, password_hashes)
        script = Script(plan, shop, random, today, order)
        script.open(platform)
        script.days()
        for episode in plan.episodes:
            scenes.play(script, episode)
        script.statements()
        shops.append(shop)
        events += script.events
        returned |= _returned(plan, script)
    post = Post(stage, returned)
    stage.play(events, after_each=lambda: post.deliver(work), stop=stop)
    return _result(shops)


def _share(total: int, index: int) -> int:
    return (total + 1 - index) // 2


def _superadmin(stage: Stage, password_hash: str) -> PlatformActor:
    command = CreateUser(SUPERADMIN, Role.SUPERADMIN, None, password_hash, "Platform owner")
    user_id = run(stage.db, platform_system("demo"), create_user, command)
    return PlatformActor(SUPERADMIN, platform_system().correlation_id, user_id)


def _returned(plan: Plan, script: Script) -> dict[str, datetime]:
    since = script.at(script.day(_RETURNED_DAYS), 0)
    return {
        customer.command.email: since
        for customer in plan.customers
        if customer.trait is Trait.BOUNCED and customer.command.email
    }


def _result(shops: list[Shop]) -> DemoResult:
    tenants = tuple(
        DemoTenant(
            shop.tenant_id,
            shop.words.name,
            shop.words.time_zone,
            shop.email(Desk.ADMIN),
            shop.email(Desk.FINANCE),
            shop.email(Desk.SUPPORT),
        )
        for shop in shops
    )
    key = shops[0].key
    assert key is not None
    return DemoResult(tenants, SUPERADMIN, PASSWORD, key.api_key)
