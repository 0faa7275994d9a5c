"""The command line, run as people run it: in a process of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from backend.actor import Role, platform_system
from backend.audit import PLATFORM_CHAIN
from backend.db.engine import Database
from backend.dunning.service import create_default_plan, list_plans, run_evaluation
from backend.errors import NotSignedIn
from backend.identity.api_keys import authenticate_api_key
from backend.identity.passwords import hash_password
from backend.identity.service import SignIn, sign_in
from backend.unit_of_work import read, run
from tests.accounts import PASSWORD, begin, enter, finish, make_user, seen, switch_on
from tests.command_line import CommandLine, surroundings
from tests.factories import actor_in, make_customer, make_invoice, make_tenant, raw_rows


def test_migrate_makes_the_database_and_then_has_nothing_to_do(
    command: CommandLine, tmp_path: Path
):
    new = replace(command, database=tmp_path / "data" / "new.db")
    first = new.apart("migrate --json")
    assert (first.status, json.loads(first.stdout)) == (0, {"migrated": True})
    assert new.json("migrate") == {"migrated": False}
    assert new.json("tenant create --name Ridge")["tenant_id"]


def test_a_tenant_its_user_and_its_key_work_and_stop_working(
    command: CommandLine, real_db: Database
):
    made = command.json("tenant create --name Ridge --currency EUR --time-zone Europe/Rome")
    tenant_id = made["tenant_id"]
    user = command.json(
        f"user create --email Boss@Example.com --role admin --tenant {tenant_id} --password-stdin",
        stdin="correct horse battery\n",
    )
    assert user == {
        "user_id": user["user_id"],
        "email": "boss@example.com",
        "role": "admin",
        "tenant_id": tenant_id,
    }
    session = sign_in(
        real_db,
        SignIn("boss@example.com", "correct horse battery", "192.0.2.1"),
        correlation_id="c",
    )
    assert session.user_id == UUID(user["user_id"])

    key = command.json(f"api-key create --tenant {tenant_id} --name ERP --role finance")

    def identity() -> Any:
        return read(real_db, platform_system("test"), authenticate_api_key, key["api_key"])

    assert (str(identity().tenant_id), identity().role) == (tenant_id, "finance")
    command.json(f"tenant deactivate --id {tenant_id}")
    assert not identity().tenant_is_active
    command.json(f"tenant activate --id {tenant_id}")
    assert identity().tenant_is_active
    command.json(f"api-key revoke --id {key['api_key_id']}")
    assert identity().is_revoked


def test_without_a_password_one_is_made_up_and_shown(command: CommandLine, real_db: Database):
    user = command.json("user create --email root@example.com --role superadmin")
    assert user["tenant_id"] is None
    sign_in(
        real_db,
        SignIn("root@example.com", user["password"], "192.0.2.1"),
        correlation_id="c",
    )


@pytest.mark.parametrize("role", [Role.SUPERADMIN, Role.ADMIN])
def test_who_lost_phone_and_recovery_codes_is_let_in_with_the_password(
    command: CommandLine, real_db: Database, role: Role
):
    tenant_id = None if role is Role.SUPERADMIN else make_tenant(real_db)
    user_id = make_user(real_db, tenant_id, "ada@example.com", hash_password(PASSWORD), role)
    session = enter(real_db, "ada@example.com")
    switch_on(real_db, session.token)
    under_way = begin(real_db, "ada@example.com")

    done = command.json("user reset-two-factor --email Ada@Example.com")

    assert done == {"user_id": str(user_id), "status": "two_factor_off"}
    assert seen(real_db, session.token) is None, "a browser that was signed in stays in"
    with pytest.raises(NotSignedIn):
        finish(real_db, under_way, "000000")
    enter(real_db, "ada@example.com")
    chain = PLATFORM_CHAIN if tenant_id is None else tenant_id
    told = "SELECT tenant_id, entity_id, actor FROM audit_log WHERE action = ?"
    assert raw_rows(real_db, told, "user.two_factor_reset") == [(chain.hex, user_id.hex, "cli")]
    letters = raw_rows(real_db, "SELECT kind, to_address FROM account_emails ORDER BY row_id")
    assert letters[-1] == ("two_factor_off", "ada@example.com")
    again = command("user reset-two-factor --email ada@example.com")
    assert "no two-factor" in again.says_in_one_line()


def test_a_tenant_is_made_with_the_default_dunning_plan(command: CommandLine, real_db: Database):
    made = command.json("tenant create --name Ridge")
    page = read(real_db, actor_in(UUID(made["tenant_id"])), list_plans)
    (plan,) = page.items
    assert plan.is_default
    assert [step.days_after_due for step in plan.steps] == [0, 3, 7, 14]


def test_a_webhook_endpoint_is_made_its_secret_replaced_and_it_is_switched_off(
    command: CommandLine, real_db: Database
):
    tenant_id = make_tenant(real_db)
    made = command.json(
        f"webhook-endpoint create --tenant {tenant_id} --provider stripe --secret-stdin",
        stdin="whsec_given_by_stripe\n",
    )
    endpoint_id, token = made["webhook_endpoint_id"], made["endpoint_token"]
    assert made == {
        "webhook_endpoint_id": endpoint_id,
        "endpoint_token": token,
        "url": f"http://localhost:8000/api/webhooks/stripe/{token}",
        "secret": "whsec_given_by_stripe",
    }
    added = command.json(f"webhook-endpoint rotate --id {endpoint_id}")
    assert added["secret"].startswith("whsec_")
    again = command(f"webhook-endpoint rotate --id {endpoint_id}")
    assert "retire one" in again.says_in_one_line()
    command.json(f"webhook-endpoint retire --id {endpoint_id}")
    command.json(f"webhook-endpoint deactivate --id {endpoint_id}")

    listed = command(f"webhook-endpoint list --tenant {tenant_id} --json").stdout
    [endpoint] = json.loads(listed)["items"]
    assert endpoint["webhook_endpoint_id"] == endpoint_id
    assert (endpoint["is_active"], endpoint["token_hint"]) == (False, token[:6])
    assert (endpoint["refused_count"], endpoint["previous_secret_set_at"]) == (0, None)
    for secret in ("whsec_given_by_stripe", added["secret"], token):
        assert secret not in listed
    command.json(f"webhook-endpoint activate --id {endpoint_id}")
    shown = command(f"webhook-endpoint list --tenant {tenant_id}").stdout
    assert f"{endpoint_id}  stripe  {token[:6]}…  active, one secret, 0 refused" in shown


def test_a_webhook_secret_that_its_provider_cannot_have_given_is_refused_and_not_repeated(
    command: CommandLine, real_db: Database
):
    tenant_id = make_tenant(real_db)
    create = f"webhook-endpoint create --tenant {tenant_id} --provider standard"
    refused = command(f"{create} --secret-stdin", stdin="whsec_tooshort\n").says_in_one_line()
    assert "24 to 64 bytes" in refused
    assert "tooshort" not in refused
    text = command(create).stdout
    assert "/api/webhooks/standard/" in text
    assert "Secret: whsec_" in text


def test_dunning_run_queues_an_evaluation(
    command: CommandLine, real_db: Database, database_file: Path
):
    tenant_id = make_tenant(real_db)
    queued = command.json(f"dunning run --tenant {tenant_id} --as-of 2026-03-31")
    with contextlib.closing(sqlite3.connect(database_file)) as connection:
        ((body, correlation_id),) = connection.execute("SELECT body, correlation_id FROM outbox")
    assert queued == {"status": "queued", "correlation_id": correlation_id}
    assert json.loads(body)["payload"]["as_of"] == "2026-03-31"


def test_dunning_is_previewed_and_run_with_the_gap_kept(
    command: CommandLine, real_db: Database, database_file: Path
):
    tenant_id = make_tenant(real_db)
    actor = actor_in(tenant_id)
    run(real_db, actor, create_default_plan)
    customer = make_customer(real_db, actor, "Hilltop", email="ap@hilltop.example")
    due = date(2026, 1, 5)
    for _ in range(2):
        make_invoice(real_db, actor, customer.customer_id, issue_date=due, due_date=due)
    ahead = command.json(f"dunning preview --tenant {tenant_id} --as-of 2026-01-06")
    [email] = ahead["would_send"]
    assert (email["to_address"], len(email["invoices"])) == ("ap@hilltop.example", 2)
    run(real_db, actor, run_evaluation, as_of=date(2026, 1, 6))
    text = command(f"dunning preview --tenant {tenant_id} --as-of 2026-01-08 --keep-gap").stdout
    assert "On 2026-01-08: 0 e-mails about 0 invoices." in text
    assert "not chased, customer_reminded_lately: 2" in text
    command.json(f"dunning run --tenant {tenant_id} --keep-gap")
    with contextlib.closing(sqlite3.connect(database_file)) as connection:
        ((body,),) = connection.execute(
            "SELECT body FROM outbox WHERE message_type = 'dunning.evaluate'"
        )
    assert json.loads(body)["payload"]["keep_gap"] is True


def test_demo_fills_an_empty_database_once_and_its_key_works(
    command: CommandLine, real_db: Database
):
    made = command.json("demo --seed 7 --customers 20 --invoices 60")
    first, second = made["tenants"]
    identity = read(real_db, platform_system("test"), authenticate_api_key, made["api_key"])
    assert str(identity.tenant_id) == first["tenant_id"] != second["tenant_id"]
    sign_in(
        real_db,
        SignIn(second["finance_email"], made["password"], "192.0.2.1"),
        correlation_id="c",
    )
    assert command.json("verify")["proven"]
    assert "not empty" in command("demo").says_in_one_line()


def test_production_takes_no_demo_data(command: CommandLine):
    production = {
        "BILLERJACKET_ENVIRONMENT": "production",
        "BILLERJACKET_SECRET_KEY": "0123456789abcdef",
    }
    done = command.apart("demo", **production)
    assert "production" in done.says_in_one_line()


def test_verify_proves_sound_books_and_is_status_1_for_altered_ones(
    command: CommandLine, real_db: Database, database_file: Path
):
    actor = actor_in(make_tenant(real_db))
    customer = make_customer(real_db, actor)
    invoice = make_invoice(real_db, actor, customer.customer_id)
    proof = command.json("verify")
    assert (proof["proven"], proof["findings"], proof["checked"]["invoices"]) == (True, [], 1)
    with contextlib.closing(sqlite3.connect(database_file, isolation_level=None)) as connection:
        # The table itself would refuse it; whoever alters a file is not stopped by that.
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE invoices SET balance_due = balance_due - 1")
    for line in ("verify --json", f"verify --json --tenant {actor.tenant_id}"):
        done = command(line)
        assert done.status == 1
        altered = json.loads(done.stdout)
        assert not altered["proven"]
        assert str(invoice.invoice_id) in str(altered["findings"])
    told = command.apart("verify")
    assert told.status == 1
    assert "differences" in told.stdout


def test_the_api_alone_answers_and_leaves_nothing_behind_even_when_killed(
    command: CommandLine, tmp_path: Path
):
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "backend", "api", "--port", str(port), "--workers", "2"],
        cwd=tmp_path,
        env=surroundings() | {"BILLERJACKET_DATABASE_URL": f"sqlite:///{tmp_path}/new.db"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert wait_until(lambda: answers(port)), "the API made its own database and serves"
        server.kill()
    assert wait_until(lambda: not answers(port)), "its workers end with it"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(is_so: Callable[[], bool], *, seconds_max: float = 60) -> bool:
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.1)
    return False


def test_people_get_words_instead_of_json(command: CommandLine):
    done = command("tenant create --name 'Ridge Roofing'")
    assert done.status == 0
    assert done.stdout.startswith("Tenant Ridge Roofing: ")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "migrate",
        "api",
        "demo",
        "dunning",
        "dunning run",
        "dunning preview",
        "verify",
        "tenant",
        "tenant create",
        "tenant activate",
        "tenant deactivate",
        "user",
        "user create",
        "user reset-two-factor",
        "api-key",
        "api-key create",
        "api-key revoke",
        "webhook-endpoint",
        "webhook-endpoint create",
        "webhook-endpoint rotate",
        "webhook-endpoint retire",
        "webhook-endpoint deactivate",
        "webhook-endpoint activate",
        "webhook-endpoint list",
    ],
)
def test_every_command_explains_itself(command: CommandLine, words: str):
    done = command(f"{words} --help")
    assert (done.status, done.stderr) == (0, "")
    assert "usage: python -m backend" in done.stdout


MISSING = "0198c2a4-5b6c-7d8e-9f00-112233445566"
HOOK = "webhook-endpoint"
USER = "user create --email a@example.com"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "COMMAND"),
        ("nonsense", "nonsense"),
        ("migrate --nonsense", "--nonsense"),
        ("tenant", "COMMAND"),
        ("tenant create", "--name"),
        ("tenant create --name ''", "name"),
        ("tenant create --name R --currency XYZ", "currency_code"),
        ("tenant create --name R --time-zone Mars", "time_zone"),
        ("tenant activate --id 1", "UUID"),
        (f"tenant deactivate --id {MISSING}", "no such tenant"),
        ("user create --email nobody --role superadmin", "email"),
        (f"{USER} --role boss", "boss"),
        (f"{USER} --role admin", "tenant"),
        (f"{USER} --role admin --tenant {MISSING}", "no such tenant"),
        (f"{USER} --role superadmin --password-stdin", "standard input"),
        ("user reset-two-factor", "--email"),
        ("user reset-two-factor --email nobody", "email"),
        ("user reset-two-factor --email nobody@example.com", "no such user"),
        (f"api-key create --tenant {MISSING} --name ERP", "no such tenant"),
        (f"api-key create --tenant {MISSING} --name ERP --role superadmin", "superadmin"),
        (f"api-key revoke --id {MISSING}", "no such API key"),
        (f"{HOOK} create --provider stripe", "--tenant"),
        (f"{HOOK} create --tenant {MISSING} --provider paypal", "paypal"),
        (f"{HOOK} create --tenant {MISSING} --provider stripe", "no such tenant"),
        (f"{HOOK} create --tenant {MISSING} --provider stripe --secret-stdin", "standard input"),
        (f"{HOOK} rotate --id {MISSING}", "no such webhook endpoint"),
        (f"{HOOK} retire --id {MISSING}", "no such webhook endpoint"),
        (f"{HOOK} retire --id {MISSING} --which both", "both"),
        (f"{HOOK} deactivate --id {MISSING}", "no such webhook endpoint"),
        (f"{HOOK} activate --id 1", "UUID"),
        ("api --port eighty", "--port"),
        ("api --port 65536", "--port"),
        ("api --workers 0", "--workers"),
        ("demo --seed x", "--seed"),
        ("demo --customers -1", "--customers"),
        ("demo --customers 1", "customers"),
        ("demo --invoices 99999999", "invoices"),
        ("dunning run", "--tenant"),
        (f"dunning run --tenant {MISSING}", "no such tenant"),
        (f"dunning preview --tenant {MISSING}", "no such tenant"),
        (f"dunning run --tenant {MISSING} --as-of 2026-02-30", "--as-of"),
        (f"verify --tenant {MISSING}", "no such tenant"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(command: CommandLine, line: str, said: str):
    assert said in command(line).says_in_one_line()


def test_a_weak_password_is_refused_and_an_address_taken_only_once(command: CommandLine):
    create = f"{USER} --role superadmin"
    weak = command(f"{create} --password-stdin", stdin="short\n")
    assert "password" in weak.says_in_one_line()
    command.json(create)
    assert "email" in command(create).says_in_one_line()


def test_a_wrong_setting_is_named_and_is_status_2(command: CommandLine):
    done = command.apart("migrate", BILLERJACKET_LOG_LEVEL="loud")
    assert "BILLERJACKET_LOG_LEVEL" in done.says_in_one_line()
    assert done.status == 2


def test_a_database_that_is_not_there_is_not_made_by_mistake(command: CommandLine, tmp_path: Path):
    done = replace(command, database=tmp_path / "mistyped.db")("tenant create --name Ridge")
    assert "python -m backend migrate" in done.says_in_one_line()
    assert not (tmp_path / "mistyped.db").exists()


def test_a_database_of_another_version_is_refused(command: CommandLine, tmp_path: Path):
    (tmp_path / "empty.db").touch()
    done = replace(command, database=tmp_path / "empty.db")("tenant create --name Ridge")
    assert "python -m backend migrate" in done.says_in_one_line()


def test_a_file_that_is_no_database_is_one_line_too(command: CommandLine, tmp_path: Path):
    (tmp_path / "text.db").write_text("not a database, but long enough to look like one\n" * 100)
    done = replace(command, database=tmp_path / "text.db").apart("migrate")
    assert "database" in done.says_in_one_line()
