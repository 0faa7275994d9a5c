"""The API over real sockets, in its own process."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from backend.api.app import create_app
from backend.bootstrap import open_services
from backend.config import Settings
from tests.contract.api.client import Client
from tests.contract.api.house import House
from tests.contract.api.served import Server, environment, serving

# Everything schemathesis looks for, but that a valid request must be accepted: which customer
# exists, or what a key was used for, no schema can tell.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ignored_auth",
)
KNOWN = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def folder(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server of this module keeps its database and its log."""
    made = tmp_path_factory.mktemp("served")
    shutil.copy(migrated_file, made / "books.db")
    return made


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    """A tenant in the server's database; what a test does through it goes past the server."""
    settings = Settings(
        database_url=SecretStr(f"sqlite:///{folder / 'books.db'}"), secret_key=SecretStr("s" * 32)
    )
    services = open_services(settings)
    with Client(create_app(services)) as client:
        yield House.build(client, services, "Ridge Roofing")
    services.close()


@pytest.fixture(scope="module")
def server(house: House, folder: Path) -> Iterator[Server]:
    """One server for all tests but those that end it."""
    with serving(folder / "books.db", folder) as running:
        yield running


def test_schemathesis_finds_no_server_error_and_nothing_undocumented(
    house: House, server: Server, folder: Path, tmp_path: Path
):
    house.pay(house.sent_invoice(), "10.00")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(KNOWN), "run"]
    command += [f"{server.url}/api/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--max-examples", "10"]
    command += ["--seed", "1", "--continue-on-failure", "--suppress-health-check", "all"]
    for name, value in house.headers.items():
        command += ["--header", f"{name}: {value}"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout[-8000:] + found.stderr[-2000:]
    assert "Tested:" in found.stdout
    log = (folder / "server.log").read_text()
    assert "http.failed" not in log


def _raw(server: Server, request: bytes) -> tuple[bytes, bytes]:
    """The head and the body of the answer to these very bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
    return head, body


def _head(house: House, method: str = "POST", path: str = "/api/customers", **more: str) -> bytes:
    headers = {"Host": "localhost", **house.headers, "Content-Type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def test_a_client_that_sends_too_much_gets_its_answer_and_no_reset_connection(
    house: House, server: Server
):
    body = b" " * (4 * 1024 * 1024)
    head, answer = _raw(server, _head(house, Content_Length=str(len(body))) + body)
    assert b" 413 " in head.split(b"\r\n")[0]
    assert json.loads(answer)["code"] == "body_too_large"


def test_a_chunked_body_is_bounded_as_it_comes(house: House, server: Server):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    request = _head(house, Transfer_Encoding="chunked") + chunk * 40 + b"0\r\n\r\n"
    head, answer = _raw(server, request)
    assert b" 413 " in head.split(b"\r\n")[0]
    assert json.loads(answer)["code"] == "body_too_large"


def test_a_stranger_with_a_large_body_is_told_so_first(house: House, server: Server):
    body = b" " * (2 * 1024 * 1024)
    request = _head(house, X_Api_Key="nobody", Content_Length=str(len(body))) + body
    head, answer = _raw(server, request)
    assert b" 401 " in head.split(b"\r\n")[0]
    assert json.loads(answer)["code"] == "unknown_api_key"


def test_a_chunked_body_is_read_like_any_other(house: House, server: Server):
    body = b'{"display_name": "Chunky"}'
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
    head, answer = _raw(server, _head(house, Transfer_Encoding="chunked") + chunks + b"0\r\n\r\n")
    assert b" 201 " in head.split(b"\r\n")[0]
    assert json.loads(answer)["display_name"] == "Chunky"


def test_every_request_leaves_one_line_in_the_log_and_no_secret(
    house: House, server: Server, folder: Path
):
    with httpx.Client(base_url=server.url, headers=house.headers) as http:
        http.get("/api/customers", headers={"X-Correlation-Id": "logged-1"})
        http.get("/api/nope", headers={"X-Correlation-Id": "logged-2"})
        http.get("/api/customers", headers={"X-Correlation-Id": "logged-3", "X-Api-Key": "secret"})
        http.get("/healthz", headers={"X-Correlation-Id": "logged-4"})
    log = (folder / "server.log").read_text()
    # Not splitlines(): paths that a fuzzer made up hold what Unicode takes for the end of a line.
    lines = [json.loads(line) for line in log.split("\n") if line]
    told = [line for line in lines if str(line.get("correlation_id")).startswith("logged-")]
    assert [(line["event"], line["path"], line["status"]) for line in told] == [
        ("http.request", "/api/customers", 200),
        ("http.request", "/api/nope", 404),
        ("http.request", "/api/customers", 401),
    ]
    assert told[0]["tenant_id"] == str(house.tenant_id)
    assert told[0]["actor"] == "api-key:admin app"
    assert told[0]["duration_ms"] > 0
    assert "tenant_id" not in told[1]
    assert house.api_key.rpartition("_")[2] not in log


def test_the_worker_does_what_was_queued_and_the_key_still_replays_the_202(
    house: House, folder: Path
):
    invoice = house.sent_invoice()
    body = {"amount": "40.00", "invoice_id": invoice["invoice_id"]}
    headers = {"Prefer": "respond-async", "X-Correlation-Id": "later-1"}
    first = house.post("/api/payments", body, key="later-1", headers=headers)
    refused = house.post("/api/payments", body | {"amount": "999"}, headers=headers)
    assert (first.status_code, refused.status_code) == (202, 202)
    settings = environment(folder / "books.db")
    command = [sys.executable, "-m", "worker", "--once"]
    subprocess.run(command, env=settings, check=True, capture_output=True, timeout=120)
    [payment] = house.get("/api/payments", invoice_id=invoice["invoice_id"]).json()["items"]
    assert (payment["amount"], payment["correlation_id"]) == ("40.00", "later-1")
    assert house.invoice(invoice["invoice_id"])["balance_due"] == "60.00"
    again = house.post("/api/payments", body, key="later-1")
    assert (again.status_code, again.content) == (202, first.content)
    trace = house.get("/api/trace/later-1").json()["items"]
    assert "payment.recorded" in {item["type"] for item in trace}


def test_a_second_server_does_not_share_the_port_unasked(server: Server, folder: Path):
    command = [sys.executable, "-m", "backend", "api", "--port", str(server.port)]
    settings = environment(folder / "books.db")
    second = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_process_ends_cleanly_when_it_is_asked_to(house: House, folder: Path, tmp_path: Path):
    """Callers at work get an answer or a closed connection; what was answered is there."""
    before = _count(house)
    with serving(folder / "books.db", tmp_path) as server:
        accepted = _end_while_busy(house, server)
    assert _count(house) - before >= accepted


def _end_while_busy(house: House, server: Server) -> int:
    headers = house.headers
    stop = threading.Event()
    statuses: list[int] = []

    def keep_calling() -> None:
        with httpx.Client(base_url=server.url, headers=headers) as http:
            while not stop.is_set():
                try:
                    body = {"display_name": "Busy"}
                    statuses.append(http.post("/api/customers", json=body).status_code)
                except httpx.TransportError:
                    return

    callers = [threading.Thread(target=keep_calling) for _ in range(4)]
    for caller in callers:
        caller.start()
    while len(statuses) < 20:
        stop.wait(0.01)
    assert server.stop() == 0
    stop.set()
    for caller in callers:
        caller.join()
    assert set(statuses) <= {201, 503}
    return statuses.count(201)


def _count(house: House) -> int:
    count, cursor = 0, None
    while True:
        params: dict[str, Any] = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = house.get("/api/customers", **params).json()
        count += len(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return count


def test_several_workers_share_one_port_and_one_truth(house: House, folder: Path, tmp_path: Path):
    invoice = house.sent_invoice()
    body = {"amount": "10.00", "invoice_id": invoice["invoice_id"]}
    statuses: list[int] = []

    def pay(url: str) -> None:
        with httpx.Client(base_url=url, headers=house.headers, timeout=60) as http:
            for number in range(3):
                key = {"Idempotency-Key": f"{threading.get_ident()}-{number}"}
                statuses.append(http.post("/api/payments", json=body, headers=key).status_code)

    with serving(folder / "books.db", tmp_path, workers=2) as server:
        payers = [threading.Thread(target=pay, args=(server.url,)) for _ in range(8)]
        for payer in payers:
            payer.start()
        for payer in payers:
            payer.join()
    assert sorted(statuses) == [201] * 10 + [409] * 14
    assert house.invoice(invoice["invoice_id"])["status"] == "paid"
