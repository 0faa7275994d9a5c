"""House rules that a reader could forget, read from the source itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import (
    BUSINESS,
    PROGRAMS,
    ROOT,
    business_files,
    calls,
    files,
    imports,
    name_of,
    parsed,
    texts,
    where,
)

DOORWAY = {*files("backend/db"), ROOT / "backend/unit_of_work.py"}
OUTSIDE = [path for path in files(*PROGRAMS) if path not in DOORWAY]
TRANSACTION_CALLS = {
    "commit",
    "rollback",
    "begin_nested",
    "control",
    "create_engine",
    "raw_connection",
    "executescript",
    "sessionmaker",
    "Session",
}
TRANSACTION_SQL = re.compile(r"^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SAVE TRAN)\b")
# What opens a file of its own, or only a look at the schema.
READS_THE_SCHEMA = {ROOT / "backend/migrate.py"}


def test_there_is_something_to_check():
    assert len(OUTSIDE) > 100
    assert len(business_files()) > 50


def test_transactions_begin_and_end_at_the_doorway_only():
    found = [
        where(path, call)
        for path in OUTSIDE
        for call, name in calls(path)
        if name in TRANSACTION_CALLS
    ] + [
        where(path, text)
        for path in OUTSIDE
        for text in texts(path)
        if TRANSACTION_SQL.match(str(text.value))
    ]
    assert found == []


def test_nobody_else_opens_a_database():
    found = [
        where(path, node)
        for path in OUTSIDE
        for node, module in imports(path)
        if module.split(".")[0] in ("sqlite3", "pyodbc", "aiosqlite")
    ]
    # A fault of the driver may be recognised where a process answers for it, never caused.
    assert {place.split(":")[0] for place in found} <= {"worker/failures.py"}


MONEY = files(
    "backend/money.py",
    "backend/ledger",
    "backend/invoices",
    "backend/payments",
    "backend/customers",
    "backend/reporting",
    "backend/verification",
    "backend/dunning",
    "backend/tenants",
    "backend/audit.py",
    "backend/idempotency.py",
    "backend/api/schemas",
    "backend/api/render.py",
)


def test_no_float_comes_near_money():
    found = []
    for path in MONEY:
        for node in ast.walk(parsed(path)):
            is_float = (isinstance(node, ast.Name) and node.id == "float") or (
                isinstance(node, ast.Constant) and isinstance(node.value, float)
            )
            if is_float:
                found.append(where(path, node))
    assert found == []


def test_money_is_divided_in_one_place_only():
    # A tax rate in percent; whatever else divides an amount would have to round it, too.
    found = {
        name_of(path)
        for path in MONEY
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Div)
        and not (isinstance(node.right, ast.Constant) and isinstance(node.right.value, str))
    }
    assert found == {"backend/money.py"}


def test_amounts_are_rounded_in_one_place_only():
    found = {
        name_of(path)
        for path in files("backend", "worker")
        for _, name in calls(path)
        if name == "quantize"
    }
    found = {place for place in found if not place.startswith("backend/demo/")}  # makes prices up
    assert found == {"backend/money.py", "backend/db/types.py"}


def test_business_rooms_know_no_framework_and_no_network():
    forbidden = {
        "fastapi",
        "starlette",
        "reflex",
        "azure",
        "granian",
        "uvicorn",
        "httpx",
        "requests",
        "urllib3",
        "asyncio",
        "anyio",
    }
    found = [
        f"{where(path, node)} {module}"
        for path in business_files()
        for node, module in imports(path)
        if module.split(".")[0] in forbidden
    ]
    # One of the mailers is a client of Azure; only the place where things are wired knows it.
    assert {place.split(":")[0] for place in found} == {"backend/communications/acs.py"}


def test_every_room_with_tables_is_a_business_room_or_a_known_one():
    with_models = {path.parent.name for path in files("backend") if path.name == "models.py"}
    assert with_models <= {*BUSINESS, "messaging"}


def test_business_code_reads_no_clock_but_its_own():
    # `work.now` is the only clock; a service that looks at the wall cannot be moved by a test.
    found = [
        where(path, call)
        for path in business_files()
        for call, name in calls(path)
        if name in ("now", "utcnow", "today", "time", "monotonic")
        and isinstance(call.func, ast.Attribute)
    ]
    assert found == []


Made = tuple[ast.Call, ast.FunctionDef | None]


def statements_in(path: Path) -> Iterator[Made]:
    """Each Statement that is made, and the function it is made in, if any."""

    def walk(
        node: ast.AST, inside: ast.FunctionDef | None
    ) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and getattr(child.func, "id", "") in (
                "Statement",
                "PlatformStatement",
            ):
                yield child, inside
            yield from walk(child, child if isinstance(child, ast.FunctionDef) else inside)

    yield from walk(parsed(path), None)


def is_cached(function: ast.FunctionDef) -> bool:
    return any("cache" in ast.unparse(decorator) for decorator in function.decorator_list)


def called_inside_functions(path: Path, name: str) -> list[ast.FunctionDef]:
    """The functions of a file that call another one of it."""
    return [
        node
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
        and node.name != name
        and any(
            isinstance(call, ast.Call) and getattr(call.func, "id", "") == name
            for call in ast.walk(node)
        )
    ]


def test_statements_are_made_once_at_import_or_in_a_bounded_cache():
    """So that a query that forgets its tenant stops the program at its start."""
    found = []
    count = 0
    for path in files("backend", "worker", "billerjacket_app"):
        if path in DOORWAY:
            continue
        for call, inside in statements_in(path):
            count += 1
            pending = [inside] if inside is not None else []
            while pending:
                function = pending.pop()
                if is_cached(function):
                    continue
                callers = called_inside_functions(path, function.name)
                if not function.name.startswith("_"):
                    found.append(where(path, call))
                    break
                # A private helper is fine when only the module itself, or such helpers, call it.
                uncached = [one for one in callers if not is_cached(one)]
                if any(not one.name.startswith("_") for one in uncached):
                    found.append(where(path, call))
                    break
                pending += uncached
    assert count > 150
    assert found == []


CROSS_TENANT = {
    "backend/api/routes/health.py": "is the database there",
    "backend/audit.py": "the platform's own chain stands beside the tenants'",
    "backend/dunning/promises.py": "which tenants have promises to settle",
    "backend/health": "a worker works for everybody, and the platform sees all that waits",
    "backend/idempotency.py": "expired keys of all tenants are forgotten together",
    "backend/identity": "whoever signs in has no tenant yet",
    "backend/invoices/overdue.py": "which tenants have something to sweep",
    "backend/messaging": "the relay and the queues carry everybody's messages",
    "backend/scheduling.py": "the scheduler works for every tenant",
    "backend/support": "the platform's own see every dead letter, and carry out what was asked",
    "backend/tenants/service.py": "tenants are made and switched off by the platform",
    "backend/verification": "everything is verified",
    "backend/webhooks/endpoints.py": "a provider's delivery is known by its token alone",
}


def test_only_named_places_reach_across_tenants():
    found = {
        name_of(path)
        for path in files("backend", "worker", "billerjacket_app")
        if path not in DOORWAY
        for _, name in calls(path)
        if name == "PlatformStatement"
    }
    unknown = {
        place for place in found if not any(place.startswith(known) for known in CROSS_TENANT)
    }
    assert unknown == set()
    assert all(any(place.startswith(known) for place in found) for known in CROSS_TENANT)


def test_every_cache_of_statements_is_bounded():
    found = [
        where(path, node)
        for path in files("backend")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if node.args.args and ast.unparse(decorator).endswith(("functools.cache", "maxsize=None)"))
    ]
    assert found == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX", "breakpoint()"])
def test_nothing_is_left_to_be_done_later(word: str):
    found = [
        name_of(path)
        for path in files(*PROGRAMS)
        if re.search(rf"\b{re.escape(word)}", path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_files_stay_short_enough_to_be_read():
    long = {
        name_of(path): count
        for path in files("backend", "worker", "billerjacket_app")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}
