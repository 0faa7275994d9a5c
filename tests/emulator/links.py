"""Links: what a client sends on, what it receives on, and the pair it asks a node by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from tests.emulator import nodes
from tests.emulator.broker import Queue
from tests.emulator.content import Content, messages_in
from tests.emulator.decoding import DecodeError
from tests.emulator.frames import accepted, error, rejected

if TYPE_CHECKING:
    from tests.emulator.session import Session

# How many messages a client may have under way; topped up when half of it is used.
_CREDIT = 1000


class Link:
    """One link of a session. `name` is the queue's it belongs to, or the node's."""

    def __init__(self, session: Session, handle: int, name: str) -> None:
        self.session = session
        self.handle = handle
        self.name = name

    def attached(self) -> None:
        """The client has been told of the link."""

    def close(self) -> None:
        """The link is gone."""

    def on_flow(self, fields: list[Any]) -> None:
        """The client says where its end stands."""

    def on_window(self) -> None:
        """The session has room again."""


class _Incoming(Link, ABC):
    """A link on which the client sends; puts the parts of a message together."""

    def __init__(self, session: Session, handle: int, name: str, delivery_count: int) -> None:
        super().__init__(session, handle, name)
        self._delivery_count = delivery_count
        self._credit = 0
        self._parts: list[bytes] = []
        self._first: list[Any] = []

    def attached(self) -> None:
        self._top_up()

    def _top_up(self) -> None:
        self._credit = _CREDIT
        self.session.send_flow(self.handle, self._delivery_count, self._credit)

    def on_transfer(self, fields: list[Any], payload: bytes) -> None:
        """A part of a message, mostly all of it."""
        if not self._parts:
            self._first = fields
        self._parts.append(payload)
        if fields[5]:
            return
        whole = payload if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        self._delivery_count += 1
        self._credit -= 1
        self.on_message(self._first[1], whole, self._first[3] or 0, bool(self._first[4]))
        if self._credit <= _CREDIT // 2:
            self._top_up()

    @abstractmethod
    def on_message(
        self, delivery_id: int, payload: bytes, message_format: int, settled: bool
    ) -> None:
        """A whole message."""


class SenderLink(_Incoming):
    """A client's sender to a queue."""

    def __init__(self, session: Session, handle: int, queue: Queue, delivery_count: int) -> None:
        super().__init__(session, handle, queue.name, delivery_count)
        self._queue = queue

    def on_message(
        self, delivery_id: int, payload: bytes, message_format: int, settled: bool
    ) -> None:
        host, name = self.session.host, self.name
        if len(payload) > host.message_size_max:
            condition = "amqp:link:message-size-exceeded"
            answer = rejected(error(condition, f"{len(payload)} bytes are too many."))
        elif host.faults.is_busy(name):
            answer = rejected(error("com.microsoft:server-busy", "Told to be busy."))
        else:
            answer = accepted()
            try:
                contents = [Content(one) for one in messages_in(payload, message_format)]
            except DecodeError as fault:
                answer = rejected(error("amqp:decode-error", str(fault)))
            else:
                for content in contents:
                    self._queue.put(content)
            if host.faults.loses_send(name):
                self.session.connection.abort()
                return
        if not settled:
            self.session.confirm(delivery_id, answer)


class RequestLink(_Incoming):
    """A client's requests to a node: `$cbs`, or the management of a queue."""

    def __init__(
        self, session: Session, handle: int, path: str, queue: Queue | None, delivery_count: int
    ) -> None:
        super().__init__(session, handle, path, delivery_count)
        self._queue = queue

    def on_message(
        self, delivery_id: int, payload: bytes, message_format: int, settled: bool
    ) -> None:
        try:
            answer = nodes.answer(self.session, self._queue, payload)
        except DecodeError as fault:
            self.session.confirm(delivery_id, rejected(error("amqp:decode-error", str(fault))))
            return
        if not settled:
            self.session.confirm(delivery_id, accepted())
        if answer is not None:
            self.session.answer(self.name, answer)


class _Outgoing(Link):
    """A link on which the client receives, as far as its credit reaches."""

    def __init__(self, session: Session, handle: int, name: str) -> None:
        super().__init__(session, handle, name)
        self.credit = 0
        self._delivery_count = 0

    @property
    def may_send(self) -> bool:
        """Whether the client is ready for a message."""
        return self.credit > 0 and self.session.window > 0

    def on_flow(self, fields: list[Any]) -> None:
        delivery_count = self._delivery_count if fields[5] is None else fields[5]
        self.credit = max(delivery_count + (fields[6] or 0) - self._delivery_count, 0)
        self.on_window()
        if fields[8]:
            # Drained: what credit is left is used up by there being nothing more.
            self._delivery_count += self.credit
            self.credit = 0
            self.session.send_flow(self.handle, self._delivery_count, 0, drain=True)

    def _deliver(self, payload: bytes, tag: bytes, held: Queue | None = None) -> None:
        self.credit -= 1
        self._delivery_count += 1
        self.session.send_message(self.handle, payload, tag, held=held)


class ReceiverLink(_Outgoing):
    """A client's receiver of a queue."""

    def __init__(self, session: Session, handle: int, queue: Queue, *, settled: bool) -> None:
        super().__init__(session, handle, queue.name)
        self.queue = queue
        self._settled = settled
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True

    def on_window(self) -> None:
        self.session.host.wants_messages(self)

    @property
    def may_send(self) -> bool:
        return not self.is_closed and super().may_send

    def hand_out_one(self) -> bool:
        """Give the client the queue's next message, if there is one."""
        queue = self.queue
        message = queue.take() if self._settled else queue.claim()
        if message is None:
            return False
        payload = message.as_delivered(queue.clock)
        if message.token is None:
            self._deliver(payload, message.sequence_number.to_bytes(16, "big"))
        else:
            self._deliver(payload, message.token, held=queue)
        return True


class AnswerLink(_Outgoing):
    """A client's link to a node's answers."""

    def __init__(self, session: Session, handle: int, path: str) -> None:
        super().__init__(session, handle, path)
        self._answers: deque[bytes] = deque()
        self._number = 0

    def put(self, payload: bytes) -> None:
        """Give the client an answer as soon as it is ready for one."""
        self._answers.append(payload)
        self.on_window()

    def on_window(self) -> None:
        while self._answers and self.may_send:
            self._number += 1
            self._deliver(self._answers.popleft(), self._number.to_bytes(4, "big"))
