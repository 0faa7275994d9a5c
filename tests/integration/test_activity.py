"""The audit log as people read it: narrowed, paged, each entry with what it changed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.customers.service import update_customer
from backend.db.engine import Database
from backend.errors import InvalidInput, NotAllowed
from backend.ids import new_id
from backend.invoices.service import void_invoice
from backend.reporting import activity
from backend.reporting.activity import (
    ActivityEntry,
    ActivityFilter,
    ValueChange,
    export_activity,
    list_activity,
    list_choices,
)
from backend.unit_of_work import UnitOfWork, read, run
from backend.verification import chain
from backend.verification.chain import START, check_own_chain_part
from tests.factories import Clock, actor_in, make_customer, make_invoice, pay, raw_rows


@pytest.fixture
def story(db: Database, actor: Actor, clock: Clock) -> dict[str, Any]:
    """A customer on the first day, its invoice on the second, and what became of it later."""
    dana = actor_in(actor.tenant_id, who="dana@example.com")
    customer = make_customer(db, dana, "Elm Diner")
    clock.pass_time(days=1)
    invoice = make_invoice(db, actor, customer.customer_id, "80.00")
    other = make_invoice(db, actor, customer.customer_id, "20.00")
    clock.pass_time(days=1)
    run(db, dana, update_customer, customer.customer_id, {"phone": "555-0100"})
    payment = pay(db, dana, "30.00", invoice_id=invoice.invoice_id)
    clock.pass_time(days=1)
    run(db, actor, void_invoice, other.invoice_id, "Twice")
    return {
        "dana": dana,
        "customer": customer.customer_id,
        "invoice": invoice.invoice_id,
        "payment": payment.payment_id,
    }


def found(db: Database, reads: Actor, /, **narrowed: Any) -> list[ActivityEntry]:
    return read(db, reads, list_activity, ActivityFilter(**narrowed), limit=100).items


def actions(db: Database, reads: Actor, /, **narrowed: Any) -> list[str]:
    return [entry.action for entry in found(db, reads, **narrowed)]


def test_everything_is_there_newest_first(db: Database, actor: Actor, story: dict[str, Any]):
    entries = found(db, actor)
    assert [entry.sequence for entry in entries] == list(range(len(entries), 0, -1))
    assert entries[0].action == "invoice.voided"
    assert entries[0].title == "Invoice voided"
    assert {entry.actor for entry in entries} >= {"test", "dana@example.com"}


def test_an_entry_tells_what_was_before_and_after_and_only_what_differs(
    db: Database, actor: Actor, story: dict[str, Any]
):
    (updated,) = found(db, actor, action="customer.updated")
    assert updated.changes == (ValueChange("phone", None, "555-0100"),)
    assert updated.entity_id == story["customer"]
    (voided,) = found(db, actor, action="invoice.voided")
    by_name = {change.name: (change.before, change.after) for change in voided.changes}
    assert by_name["status"] == ("sent", "void")


def test_values_that_are_no_text_are_told_as_json(db: Database, actor: Actor):
    def record(work: UnitOfWork) -> None:
        before = {"same": [1], "gone": True, "list": [1, {"a": "b"}]}
        after = {"same": [1], "list": [2], "zero": 0}
        work.record("thing.updated", "thing", new_id(), before=before, after=after)

    run(db, actor, record)
    (entry,) = found(db, actor, entity_type="thing")
    assert entry.changes == (
        ValueChange("gone", "true", None),
        ValueChange("list", '[1,{"a":"b"}]', "[2]"),
        ValueChange("zero", None, "0"),
    )


def test_each_filter_narrows_and_they_narrow_together(
    db: Database, actor: Actor, story: dict[str, Any]
):
    dana = story["dana"]
    everything = found(db, actor)
    for name, value in (
        ("action", "invoice.sent"),
        ("actor", "dana@example.com"),
        ("entity_type", "invoice"),
        ("correlation_id", dana.correlation_id),
        ("entity_id", story["invoice"]),
    ):
        wanted = [entry for entry in everything if getattr(entry, name) == value]
        assert 0 < len(wanted) < len(everything)
        assert found(db, actor, **{name: value}) == wanted, name
    assert actions(db, actor, entity_type="customer", actor="dana@example.com") == [
        "customer.updated",
        "customer.created",
    ]
    assert actions(db, actor, entity_type="customer", correlation_id=actor.correlation_id) == []
    assert actions(db, actor, entity_type="payment", entity_id=story["invoice"]) == []
    assert actions(db, actor, entity_id=new_id()) == []
    assert actions(db, actor, action="no.such") == []


def test_a_common_kind_is_found_the_other_way(
    db: Database, actor: Actor, story: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    rare = found(db, actor, entity_type="invoice")
    monkeypatch.setattr(activity, "FEW", 0)
    assert found(db, actor, entity_type="invoice") == rare
    assert len(rare) > 3


@pytest.mark.parametrize(
    ("narrowed", "is_rare", "index"),
    [
        ({"action"}, False, "ix_audit_log__action (tenant_id=? AND action=?)"),
        ({"actor"}, False, "ix_audit_log__actor (tenant_id=? AND actor=?)"),
        (
            {"entity_type", "entity_id"},
            False,
            "ix_audit_log__entity (tenant_id=? AND entity_type=? AND entity_id=?)",
        ),
        ({"entity_type"}, True, "ix_audit_log__entity (tenant_id=? AND entity_type=?)"),
        ({"entity_type"}, False, "sqlite_autoindex_audit_log_1 (tenant_id=?)"),
        ({"correlation_id", "entity_type"}, True, "ix_audit_log__correlation_id"),
        (set(), False, "sqlite_autoindex_audit_log_1 (tenant_id=?)"),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else None,
)
def test_every_filter_has_its_index_and_nothing_common_is_sorted(
    db: Database, narrowed: set[str], is_rare: bool, index: str
):
    statement = activity._list_statement(frozenset(narrowed), is_rare).compiled_for(db.dialect)
    names = statement.sql.count("?")
    plan = [row[3] for row in raw_rows(db, f"EXPLAIN QUERY PLAN {statement.sql}", *["x"] * names)]
    assert any(index in step for step in plan), plan
    if not is_rare:
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_days_are_the_tenants_and_both_ends_are_in(
    db: Database, actor: Actor, story: dict[str, Any], clock: Clock
):
    everything = found(db, actor)
    first = date(2026, 3, 4)
    for since, until, kept in (
        (first, first, {0}),
        (first + timedelta(days=1), None, {1, 2, 3}),
        (None, first + timedelta(days=1), {0, 1}),
        (first + timedelta(days=1), first + timedelta(days=2), {1, 2}),
        (date(2020, 1, 1), date(2999, 12, 31), {0, 1, 2, 3}),
        (first + timedelta(days=9), None, set()),
        (None, first - timedelta(days=9), set()),
    ):
        wanted = [entry for entry in everything if (entry.at.date() - first).days in kept]
        assert found(db, actor, since=since, until=until) == wanted, (since, until)
    # Half past midnight in UTC is still the evening before in Chicago.
    clock.now = clock.now.replace(hour=0, minute=30) + timedelta(days=5)
    make_customer(db, actor, "Late Diner")
    evening = clock.now.date() - timedelta(days=1)
    assert actions(db, actor, since=evening, until=evening) == ["customer.created"]
    assert actions(db, actor, since=evening + timedelta(days=1)) == []
    # Midnight itself, 05:00 UTC in Chicago's summer time, belongs to the day that begins.
    clock.now = clock.now.replace(hour=5, minute=0)
    make_customer(db, actor, "Midnight Diner")
    assert len(actions(db, actor, since=evening, until=evening)) == 1
    assert len(actions(db, actor, since=evening + timedelta(days=1))) == 1


def test_a_clock_set_back_loses_no_entry(db: Database, actor: Actor, clock: Clock):
    clock.pass_time(days=3)
    make_customer(db, actor, "Later")
    clock.pass_time(hours=-20)
    make_customer(db, actor, "Earlier")
    day = clock.now.date()
    assert len(found(db, actor, since=day, until=day)) == 1
    later = day + timedelta(days=1)
    assert len(found(db, actor, since=later, until=later)) == 1


def test_pages_follow_each_other_while_entries_arrive(
    db: Database, actor: Actor, story: dict[str, Any]
):
    everything = [entry.sequence for entry in found(db, actor)]
    seen: list[int] = []
    cursor = None
    while True:
        page = read(db, actor, list_activity, limit=3, cursor=cursor)
        seen += [entry.sequence for entry in page.items]
        make_customer(db, actor, "Newcomer")
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == everything


@pytest.mark.parametrize("cursor", ["", "0", "-1", "x", "1.5", "9" * 30, "²"])
def test_a_cursor_that_is_none_is_refused(db: Database, actor: Actor, cursor: str):
    with pytest.raises(InvalidInput, match="cursor"):
        read(db, actor, list_activity, cursor=cursor)


def test_days_that_make_no_sense_are_refused(db: Database, actor: Actor):
    for since, until in (
        (date(2026, 3, 5), date(2026, 3, 4)),
        (date(1969, 1, 1), None),
        (None, date(9999, 12, 31)),
    ):
        with pytest.raises(InvalidInput):
            found(db, actor, since=since, until=until)


def test_what_occurs_can_be_chosen_from(db: Database, actor: Actor, story: dict[str, Any]):
    everything = found(db, actor)
    for name in ("entity_type", "action", "actor"):
        occurring = sorted({getattr(entry, name) for entry in everything})
        assert read(db, actor, list_choices, name) == occurring


def test_an_export_holds_every_row_as_it_is_kept(
    db: Database, actor: Actor, story: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(activity, "EXPORT_ROWS", 2)
    narrowed = ActivityFilter(since=date(2026, 3, 5))
    rows: list[dict[str, Any]] = []
    for _ in range(len(found(db, actor))):
        before = rows[-1]["sequence"] if rows else None
        more = read(db, actor, export_activity, narrowed, before=before)
        assert len(more) <= 2
        rows += more
    assert [row["sequence"] for row in rows] == [
        entry.sequence for entry in found(db, actor, since=date(2026, 3, 5))
    ]
    kept = dict(raw_rows(db, "SELECT sequence, data FROM audit_log WHERE at > 0"))
    assert all(row["data"] == kept[row["sequence"]] for row in rows)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FINANCE, Role.SUPPORT])
def test_everybody_in_the_tenant_may_read_it(
    db: Database, tenant_id: UUID, story: dict[str, Any], role: Role
):
    assert found(db, actor_in(tenant_id, role))


def test_the_chain_is_checked_stretch_by_stretch(
    db: Database, actor: Actor, story: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chain, "_ROWS", chain._rows_of(2))
    monkeypatch.setattr(chain, "_BATCH", 2)
    length = len(found(db, actor))
    place, parts = START, 0
    while True:
        part = read(db, actor, check_own_chain_part, place)
        assert (part.length, part.findings) == (length, ())
        place, parts = part.place, parts + 1
        if part.is_last:
            break
    assert place.sequence == length
    assert parts == length // 2 + 1


def test_only_an_admin_checks_the_chain(db: Database, tenant_id: UUID):
    for role in (Role.FINANCE, Role.SUPPORT):
        with pytest.raises(NotAllowed):
            read(db, actor_in(tenant_id, role), check_own_chain_part)
