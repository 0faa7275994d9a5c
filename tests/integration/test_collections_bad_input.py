"""What nobody should type into collections, typed: it is refused by name, or does no harm."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from backend.actor import Actor
from backend.api.app import create_app
from backend.bootstrap import Services, open_services
from backend.communications.template_store import save_template
from backend.communications.templates import TemplateSource
from backend.config import Settings
from backend.db.engine import Database
from backend.dunning.plans import create_default_plan
from backend.dunning.service import run_evaluation
from backend.errors import InvalidInput
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import run
from tests.contract.api.client import Client
from tests.contract.api.house import House, done, invalid, made, problem
from tests.emails import RecordingMailer, handle_all
from tests.factories import Clock, make_customer, make_invoice, raw_count, raw_rows

DUE = date(2026, 3, 1)
FIRST = {"days_after_due": 0, "template_key": "friendly_reminder"}
WORDING = TemplateSource("Reminder", "Please pay.", "<p>Please pay.</p>")
SECONDS_MAX = 5.0  # of work, however busy the machine is


@pytest.fixture
def services(database_file: Path, clock: Clock) -> Iterator[Services]:
    settings = Settings(
        database_url=SecretStr(f"sqlite:///{database_file}"), secret_key=SecretStr("s" * 32)
    )
    opened = open_services(settings, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def house(services: Services) -> Iterator[House]:
    """A tenant that is called over HTTP, in process."""
    with Client(create_app(services)) as client:
        yield House.build(client, services, "Ridge Roofing", time_zone="America/Chicago")


def what_is_there(db: Database) -> list[int]:
    tables = ("dunning_plans", "dunning_steps", "email_templates", "invoice_holds", "audit_log")
    return [raw_count(db, table) for table in tables]


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([], "steps"),
        ([FIRST] * 21, "steps"),
        ([FIRST | {"days_after_due": -1}], "steps.0.days_after_due"),
        ([FIRST | {"days_after_due": 3651}], "steps.0.days_after_due"),
        ([FIRST | {"days_after_due": 10**30}], "steps.0.days_after_due"),
        ([FIRST | {"days_after_due": 1.5}], "steps.0.days_after_due"),
        ([FIRST | {"days_after_due": "soon"}], "steps.0.days_after_due"),
        ([FIRST | {"days_after_due": None}], "steps.0.days_after_due"),
        ([FIRST, FIRST], "steps.1.days_after_due"),
        ([FIRST | {"days_after_due": 7}, FIRST], "steps.1.days_after_due"),
        ([FIRST | {"template_key": "no_such"}], "steps.0.template_key"),
        ([FIRST | {"template_key": "receipt"}], "steps.0.template_key"),
        ([FIRST | {"template_key": "../../etc/passwd"}], "steps.0.template_key"),
        ([FIRST | {"channel": "pigeon"}], "steps.0.channel"),
        ([FIRST | {"subject": "x" * 501}], "steps.0.subject"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_and_changes_nothing(
    house: House, steps: list[dict[str, Any]], field: str
):
    plan = made(house.post("/api/dunning/plans", {"name": "Fine", "steps": [FIRST]}))
    before = what_is_there(house.services.db)
    invalid(house.post("/api/dunning/plans", {"name": "Bad", "steps": steps}), field)
    path = f"/api/dunning/plans/{plan['dunning_plan_id']}"
    invalid(house.call("PATCH", path, {"steps": steps}), field)
    assert what_is_there(house.services.db) == before


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../../etc/passwd", "utc+2", "America/chicago", "x" * 500]
)
def test_a_time_zone_that_does_not_exist_is_refused(db: Database, actor: Actor, zone: str):
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, update_tenant, UpdateTenant(time_zone=zone))
    assert [one.field for one in refusal.value.errors] == ["time_zone"]
    assert raw_rows(db, "SELECT time_zone FROM tenants") == [("America/Chicago",)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "promise"}, "until"),
        ({"kind": "promise", "until": "yesterday"}, "until"),
        ({"kind": "promise", "until": "2026-02-30"}, "until"),
        ({"kind": "promise", "until": "9999-12-31"}, "until"),
        ({"kind": "promise", "until": "2026-03-10", "amount": "-5.00"}, "amount"),
        ({"kind": "promise", "until": "2026-03-10", "amount": "0"}, "amount"),
        ({"kind": "promise", "until": "2026-03-10", "amount": "1.001"}, "amount"),
        ({"kind": "promise", "until": "2026-03-10", "amount": "NaN"}, "amount"),
        ({"kind": "pause", "amount": "5.00"}, "amount"),
        ({"kind": "dispute"}, "reason"),
        ({"kind": "dispute", "reason": "   "}, "reason"),
        ({"kind": "pause", "reason": "x" * 501}, "reason"),
        ({"kind": "forget"}, "kind"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused_and_changes_nothing(
    house: House, body: dict[str, Any], field: str
):
    invoice = house.sent_invoice()
    before = what_is_there(house.services.db)
    invalid(house.call("PUT", f"/api/invoices/{invoice['invoice_id']}/hold", body), field)
    assert what_is_there(house.services.db) == before


def test_a_promise_for_a_day_that_is_over_is_no_reason_to_wait(house: House):
    customer = house.add_customer(email="ap@hilltop.example")["customer_id"]
    invoice = house.sent_invoice(
        customer_id=customer, issue_date="2026-02-01", due_date="2026-03-01"
    )
    body = {"kind": "promise", "until": "2026-03-03"}
    house.call("PUT", f"/api/invoices/{invoice['invoice_id']}/hold", body)
    [email] = done(house.get("/api/dunning/preview"))["would_send"]
    assert email["invoices"][0]["invoice_id"] == invoice["invoice_id"]


def test_what_belongs_to_somebody_else_or_nobody_cannot_be_held(house: House):
    stranger = House.build(house.client, house.services, "Northwind Heating")
    theirs = stranger.sent_invoice()
    before = what_is_there(house.services.db)
    body = {"kind": "pause"}
    for path in (
        f"/api/invoices/{theirs['invoice_id']}/hold",
        f"/api/customers/{theirs['customer_id']}/hold",
        f"/api/invoices/{uuid4()}/hold",
        f"/api/customers/{uuid4()}/hold",
    ):
        problem(house.call("PUT", path, body), 404)
        problem(house.call("DELETE", path), 404)
    assert what_is_there(house.services.db) == before
    assert house.get(f"/api/invoices/{theirs['invoice_id']}/holds").status_code == 404


def test_an_invoice_that_is_void_is_not_held(house: House):
    invoice = house.sent_invoice()["invoice_id"]
    done(house.post(f"/api/invoices/{invoice}/void", {"reason": "A mistake"}))
    hold = {"kind": "promise", "until": "2026-03-10"}
    problem(house.call("PUT", f"/api/invoices/{invoice}/hold", hold), 409, "invoice_not_open")


BOMBS = {
    "loops": "{% for a in range(9999999) %}{% for b in range(9999999) %}x{% endfor %}{% endfor %}",
    "text times a number": "{{ 'x' * 10 ** 10 }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "padding": "{{ '%1000000000d' % 1 }}",
    "joined": "{{ ('x' * 100000) | center(10 ** 9) }}",
    "itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}
ESCAPES = {
    "class": "{{ ''.__class__.__mro__ }}",
    "by filter": "{{ '' | attr('__class__') }}",
    "by item": "{{ ''['__class__'] }}",
    "format": "{{ '{0.__class__}'.format('') }}",
    "globals": "{{ self.__init__.__globals__ }}",
    "cycler": "{{ cycler.__init__.__globals__.os }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'os' as os %}{{ os }}",
    "unknown": "{{ password }}",
    "unfinished": "{% if %}",
}


@pytest.mark.parametrize("text", [*BOMBS.values(), *ESCAPES.values()], ids=[*BOMBS, *ESCAPES])
@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_template_that_does_harm_is_refused_and_not_kept(
    db: Database, actor: Actor, part: str, text: str
):
    parts = {"subject": WORDING.subject, "text": WORDING.text, "html": WORDING.html}
    bad = TemplateSource(**(parts | {part: text}))
    before = what_is_there(db)
    started = time.process_time()
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, save_template, "friendly_reminder", None, bad)
    assert time.process_time() - started < SECONDS_MAX
    assert [one.field for one in refusal.value.errors] == [part]
    assert what_is_there(db) == before


NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></tr></table><h1>Pay here instead",
    "{{ 7 * 191 }}{% for a in b %}",
    "Smith & Sons <b>Ltd",
    "Line\u2028break\u202eright to left",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_ever_a_name_in_a_reminder(db: Database, actor: Actor, name: str):
    run(db, actor, create_default_plan)
    own = TemplateSource("For {{ customer_name }}", "{{ customer_name }}", "<p>{{ customer_name }}")
    mailer = RecordingMailer()
    customer = make_customer(db, actor, name, email="payer@example.com").customer_id
    make_invoice(db, actor, customer, issue_date=DUE, due_date=DUE)
    run(db, actor, run_evaluation)
    run(db, actor, save_template, "invoice", None, own)
    handle_all(db, mailer)
    assert len(mailer.taken) == 2
    for email in mailer.taken:
        assert "<script" not in email.html_body
        assert "<img" not in email.html_body
        assert "</table><h1>" not in email.html_body
        assert "<b>" not in email.html_body
        assert "1337" not in email.text_body + email.html_body
        assert len(email.subject.splitlines()) == 1


MANY = 10_000


def test_one_customer_with_ten_thousand_overdue_invoices_gets_one_bounded_email(
    db: Database, actor: Actor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backend.invoices.letters.render_invoice_pdf", lambda _document: b"%PDF-")
    run(db, actor, create_default_plan)
    customer = make_customer(db, actor, email="payer@example.com").customer_id
    make_invoice(db, actor, customer, issue_date=DUE, due_date=DUE)
    multiply_invoices(db, MANY)
    mailer = RecordingMailer()
    started = time.process_time()
    run(db, actor, run_evaluation)
    handle_all(db, mailer)
    assert time.process_time() - started < 2 * SECONDS_MAX
    [reminder] = [one for one in mailer.taken if one.subject.startswith("A reminder")]
    assert raw_count(db, "dunning_notices") == MANY
    assert raw_rows(db, "SELECT count(*) FROM communications WHERE type = 'dunning'") == [(1,)]
    assert "$1,000,000.00" in reminder.text_body
    assert "9,950 more" in reminder.text_body.replace("9950", "9,950")
    assert len(reminder.html_body) + len(reminder.text_body) < 100_000
    assert len(reminder.attachments) <= 50


def multiply_invoices(db: Database, count: int) -> None:
    """Copies of the only invoice, until there are so many; past the services, for the speed."""
    assert db.path is not None
    with contextlib.closing(sqlite3.connect(db.path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(invoices)")]
        copied = [name for name in columns if name not in {"row_id", "id", "invoice_number"}]
        names = ", ".join(copied)
        connection.execute(
            f"INSERT INTO invoices (id, invoice_number, {names}) "
            "WITH RECURSIVE numbers (n) AS "
            "(SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) "
            f"SELECT printf('%032x', n), printf('INV-%06d', n), {names} "
            "FROM invoices, numbers",
            (count,),
        )
        connection.commit()
