"""Live and ready."""

from __future__ import annotations

import sqlite3

from backend.actor import platform_system
from backend.health.heartbeats import WorkerProcess, beat
from backend.messaging.contracts import Queue
from backend.unit_of_work import run
from tests.contract.api.house import House, problem
from tests.factories import Clock


def test_the_process_is_live_without_any_key(house: House):
    response = house.client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_the_process_is_ready_when_everything_is_there(house: House):
    response = house.client.get("/readyz")
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "ready"
    assert answer["checks"] == {"database": "ok", "migrations": "ok", "queues": "ok"}


def test_a_process_without_a_worker_is_ready_and_says_so(house: House):
    answer = house.client.get("/readyz").json()
    assert answer["status"] == "ready"
    assert answer["worker"] == {"running": False, "last_seen_seconds": None}


def test_the_worker_and_what_waits_are_told(house: House, clock: Clock):
    worker = WorkerProcess.this(clock.now)
    run(house.services.db, platform_system("test"), beat, worker)
    assert house.post("/api/dunning/run").status_code == 202
    clock.pass_time(seconds=12)
    answer = house.client.get("/readyz").json()
    assert answer["worker"] == {"running": True, "last_seen_seconds": 12}
    assert set(answer["queues"]) == {queue.value for queue in Queue}
    assert answer["queues"]["dunning-evaluate"] == {
        "unsent": 1,
        "active": 0,
        "scheduled": 0,
        "dead": 0,
        "oldest_seconds": 12,
    }
    assert answer["queues"]["webhook-ingest"]["oldest_seconds"] is None
    clock.pass_time(seconds=60)
    assert not house.client.get("/readyz").json()["worker"]["running"]


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
    answer = problem(response, 503, "not_ready")
    assert answer["checks"]["queues"] == "unreachable"
    assert answer["queues"]["email-send"]["active"] is None
    assert house.client.get("/healthz").status_code == 200
