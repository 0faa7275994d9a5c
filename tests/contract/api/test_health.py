"""Live and ready."""

from __future__ import annotations

import sqlite3

from tests.contract.api.house import House, problem


def test_the_process_is_live_without_any_key(house: House):
    response = house.client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_the_process_is_ready_when_everything_is_there(house: House):
    response = house.client.get("/readyz")
    assert response.status_code == 200
    checks = {"database": "ok", "migrations": "ok", "queues": "ok"}
    assert response.json() == {"status": "ready", "checks": checks}


def test_the_process_is_not_ready_on_tables_of_another_version(house: House):
    connection = sqlite3.connect(str(house.services.db.path))
    connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.commit()
    connection.close()
    response = house.client.get("/readyz")
    assert problem(response, 503, "not_ready")["checks"]["migrations"] == "not at head"
    assert response.headers["retry-after"]


def test_the_process_is_not_ready_without_its_queues(house: House):
    connection = sqlite3.connect(str(house.services.db.path))
    connection.execute("ALTER TABLE queue_messages RENAME TO elsewhere")
    connection.commit()
    connection.close()
    response = house.client.get("/readyz")
    assert problem(response, 503, "not_ready")["checks"]["queues"] == "unreachable"
    assert house.client.get("/healthz").status_code == 200
