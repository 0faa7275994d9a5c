"""What all connections share, in the emulator's one thread: queues, receivers, time, the door."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING

from tests.emulator.broker import Broker, Queue
from tests.emulator.connection import Connection
from tests.emulator.faults import Faults

if TYPE_CHECKING:
    from tests.emulator.links import ReceiverLink

# As the service's standard tier has it, properties included.
MESSAGE_SIZE_MAX = 256 * 1024
HOST = "127.0.0.1"
_BACKLOG = 128


class Host:
    """Listens, hands messages out to whoever asked for them, and lets time do its work."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, broker: Broker, faults: Faults, idle_seconds: float
    ) -> None:
        self.loop = loop
        self.broker = broker
        self.faults = faults
        self.idle_seconds = idle_seconds
        self.message_size_max = MESSAGE_SIZE_MAX
        self.connections: set[Connection] = set()
        self.most_connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._closed_door: socket.socket | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._receivers: dict[Queue, deque[ReceiverLink]] = {}
        self._to_hand_out: set[Queue] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for = float("inf")
        for queue in broker:
            self._receivers[queue] = deque()
            queue.on_ready = self._has_messages
            queue.on_due = self._wake_at

    # The door.

    async def listen(self, port: int) -> None:
        """Let clients in; port 0 takes a free one."""
        await self._serve(_bound(port))

    async def _serve(self, door: socket.socket) -> None:
        self.port = door.getsockname()[1]
        self._server = await self.loop.create_server(
            lambda: Connection(self), sock=door, backlog=_BACKLOG
        )

    def abort_all(self) -> None:
        """Cut all connections."""
        for connection in list(self.connections):
            connection.abort()

    def connected(self, connection: Connection) -> None:
        """One more client."""
        self.connections.add(connection)
        self.most_connections = max(self.most_connections, len(self.connections))

    def detach_all(self, entity: str) -> None:
        """Detach all links of the queues whose name ends so."""
        for connection in self.connections:
            connection.detach_all(entity.lower())

    async def shut(self, seconds: float | None) -> None:
        """Cut all connections and refuse new ones, for so long or until `reopen`."""
        self._stop_reopening()
        if self._server is not None:
            self._server.close()
            self._server = None
            self.abort_all()
            # Bound without listening: clients are refused, and nobody else gets the port.
            self._closed_door = _bound(self.port)
        if seconds is not None:
            self._reopening = self.loop.call_later(
                seconds, lambda: self.loop.create_task(self.reopen())
            )

    async def reopen(self) -> None:
        """Let clients in again."""
        self._stop_reopening()
        if self._closed_door is not None:
            door, self._closed_door = self._closed_door, None
            await self._serve(door)

    def _stop_reopening(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None

    async def close(self) -> None:
        """Cut everything and stop listening."""
        self._stop_reopening()
        if self._server is not None:
            self._server.close()
        self.abort_all()
        if self._closed_door is not None:
            self._closed_door.close()
        if self._timer is not None:
            self._timer.cancel()
        # The transports close their sockets in the loop's next turn.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    # Handing out.

    def wants_messages(self, link: ReceiverLink) -> None:
        """A receiver may be ready for messages: give it what there is, now and later."""
        waiting = self._receivers[link.queue]
        if link not in waiting:
            waiting.append(link)
        self._hand_out(link.queue)

    def _has_messages(self, queue: Queue) -> None:
        if self._receivers[queue]:
            if not self._to_hand_out:
                self.loop.call_soon(self._hand_out_all)
            self._to_hand_out.add(queue)

    def _hand_out_all(self) -> None:
        queues = list(self._to_hand_out)
        self._to_hand_out.clear()
        for queue in queues:
            self._hand_out(queue)

    def _hand_out(self, queue: Queue) -> None:
        # In turn, so that no receiver starves beside another.
        waiting = self._receivers[queue]
        while waiting:
            if not waiting[0].may_send:
                waiting.popleft()
            elif waiting[0].hand_out_one():
                waiting.rotate(-1)
            else:
                return

    # Time.

    def tick(self) -> None:
        """Do what has become due, and come back for the next."""
        self._timer_for = float("inf")
        due = self.broker.tick()
        if due is not None:
            self._wake_at(due)

    def _wake_at(self, instant: float) -> None:
        if instant >= self._timer_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_for = instant
        # A little late rather than early, when nothing would be due yet.
        wait = max(instant - self.broker.clock(), 0.0) + 0.001
        self._timer = self.loop.call_later(wait, self.tick)


def _bound(port: int) -> socket.socket:
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind((HOST, port))
    return door
