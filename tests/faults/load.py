"""Clients that pay and insist: every request is sent again, with its key, until it is answered."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import httpx

CLIENTS = 6
# What may happen while the service is away; anything else a client is told is an answer.
NOT_ANSWERED = frozenset({429, 502, 503, 504})


@dataclass
class Answered:
    """What the clients were told, by key."""

    payments: dict[str, str] = field(default_factory=dict)  # 201: the payment's id
    queued: set[str] = field(default_factory=set)  # 202
    surprises: list[str] = field(default_factory=list)
    sent_again: int = 0


class Load:
    """Some clients in threads; `ask` gives them payments to make, `finish` waits for the last."""

    def __init__(self, url: str, tenant_id: UUID, api_key: str, invoice_ids: list[UUID]) -> None:
        self.answered = Answered()
        self._headers = {"X-Api-Key": api_key, "X-Tenant-Id": str(tenant_id)}
        self._url = url
        self._invoice_ids = invoice_ids
        self._numbers = count(1)
        self._asked: queue.Queue[int | None] = queue.Queue()
        self._lock = threading.Lock()
        self._hopeless = threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def ask(self, payments: int) -> None:
        for _ in range(payments):
            self._asked.put(next(self._numbers))

    def give_up(self) -> None:
        """The service will not come back: insist no longer."""
        self._hopeless.set()

    def finish(self) -> Answered:
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()
        return self.answered

    def _client(self) -> None:
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=10) as http:
            while (number := self._asked.get()) is not None:
                self._pay(http, number)

    def _pay(self, http: httpx.Client, number: int) -> None:
        key = f"payment-{number}"
        headers = {"Idempotency-Key": key}
        if number % 4 == 0:
            headers["Prefer"] = "respond-async"
        body = {
            "amount": "1.00",
            "invoice_id": str(self._invoice_ids[number % len(self._invoice_ids)]),
            "external_provider": "test",
            "external_payment_id": key,
        }
        while True:
            try:
                response = http.post("/api/payments", json=body, headers=headers)
            except httpx.HTTPError:
                response = None
            if response is not None and response.status_code not in NOT_ANSWERED:
                break
            with self._lock:
                self.answered.sent_again += 1
            if self._hopeless.wait(0.05):
                return
        with self._lock:
            if response.status_code == 201:
                self.answered.payments[key] = response.json()["payment_id"]
            elif response.status_code == 202:
                self.answered.queued.add(key)
            else:
                self.answered.surprises.append(f"{key}: {response.status_code} {response.text}")
