"""A small server that answers as Azure Communication Services does, for tests of its mailer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


@dataclass
class FakeAcs:
    """What it was sent, by operation, and how it answers next; without an answer it accepts."""

    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    port: int = 0
    may_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"


@contextmanager
def serving_acs() -> Iterator[FakeAcs]:
    """The server while the block runs."""
    acs = FakeAcs()
    acs.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            message = json.loads(self.rfile.read(length))
            acs.authorizations.append(self.headers["Authorization"])
            acs.may_answer.wait(20)
            operation_id = self.headers["Operation-Id"]
            if acs.answers:
                status, error = acs.answers.pop(0)
                self._answer(status, {"error": error})
                return
            acs.sent.append((operation_id, message))
            acs.statuses[operation_id] = "Running"
            self._answer(202, {"id": operation_id, "status": "Running"})

        def do_GET(self) -> None:
            operation_id = self.path.partition("?")[0].rpartition("/")[2]
            acs.asked.append(operation_id)
            if operation_id in acs.statuses:
                body = {"id": operation_id, "status": acs.statuses[operation_id]}
                self._answer(200, body)
            else:
                self._answer(404, {"error": {"code": "NotFound", "message": "none"}})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 202:
                where = f"{acs.endpoint}/emails/operations/{body['id']}?api-version=1"
                self.send_header("Operation-Location", where)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    acs.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield acs
    finally:
        acs.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
