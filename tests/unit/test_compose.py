"""The containers for those who have Docker agree with what the code expects."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import yaml
from pydantic import TypeAdapter

from backend.messaging.contracts import Queue
from backend.messaging.transport import DELIVERIES_MAX, LEASE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
BROKER = json.loads((ROOT / "scripts/compose/servicebus.json").read_text())
DURATION = TypeAdapter(timedelta)


def test_the_broker_has_our_queues_with_our_limits():
    (namespace,) = BROKER["UserConfig"]["Namespaces"]
    queues = {queue["Name"]: queue["Properties"] for queue in namespace["Queues"]}

    assert set(queues) == {queue.value for queue in Queue}
    for properties in queues.values():
        lock = DURATION.validate_python(properties["LockDuration"])
        assert lock == timedelta(seconds=LEASE_SECONDS)
        assert properties["MaxDeliveryCount"] == DELIVERIES_MAX
        assert properties["RequiresDuplicateDetection"]
        assert not properties["RequiresSession"]


def test_containers_listen_on_this_machine_only_and_hold_no_secret():
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["environment"]["MSSQL_SA_PASSWORD"].startswith("${MSSQL_SA_PASSWORD:?")


def test_what_is_mounted_is_there():
    for volume in COMPOSE["services"]["servicebus"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).is_file()
