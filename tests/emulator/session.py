"""A session: it numbers the deliveries both ways, and knows which are not settled yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulator.broker import LockLost, Queue
from tests.emulator.frames import (
    Code,
    Outcome,
    error,
    rejected,
    write_disposition,
    write_frame,
    write_transfers,
)
from tests.emulator.links import AnswerLink, Link, ReceiverLink, RequestLink, SenderLink
from tests.emulator.values import Described, Uint, Ulong, Ushort

if TYPE_CHECKING:
    from tests.emulator.connection import Connection

# More transfers than a client ever has under way; the links' credit is what holds it back.
_WINDOW = 2**31 - 1


class Session:
    """One session of a connection."""

    def __init__(self, connection: Connection, channel: int, fields: list[Any]) -> None:
        self.connection = connection
        self.host = connection.host
        self.channel = channel
        self.unsettled: dict[int, tuple[int, Queue, bytes]] = {}
        self._links: dict[int, Link] = {}
        self._next_incoming = fields[1] or 0
        self._next_outgoing = 0
        self._next_delivery = 0
        self.window = fields[2] or 0
        numbers = [Ushort(channel), Uint(0), Uint(_WINDOW), Uint(_WINDOW), Uint(255)]
        connection.send(write_frame(Code.BEGIN, numbers, channel))

    def close(self) -> None:
        """Forget the links. What they hold under lock stays locked."""
        for link in self._links.values():
            link.close()
        self._links.clear()

    def detach_all(self, entity: str) -> None:
        """Detach the links of the queues whose name ends so, as from one that is idle too long."""
        idle = error("amqp:link:detach-forced", "Told to detach it.")
        for handle, link in list(self._links.items()):
            if link.name.lower().endswith(entity):
                self._drop(handle)
                self.send(Code.DETACH, [Uint(handle), True, idle])

    def on_performative(self, code: int, fields: list[Any], payload: bytes) -> None:
        """Anything on this session's channel. Raises KeyError for an unknown link."""
        if code == Code.TRANSFER:
            self._next_incoming += 1
            link = self._links[fields[0]]
            if isinstance(link, SenderLink | RequestLink):
                link.on_transfer(fields, payload)
        elif code == Code.DISPOSITION:
            if fields[0]:
                self._on_disposition(fields)
        elif code == Code.FLOW:
            self._on_flow(fields)
        elif code == Code.ATTACH:
            self._on_attach(fields)
        elif code == Code.DETACH and fields[0] in self._links:
            self._drop(fields[0])
            self.send(Code.DETACH, [Uint(fields[0]), True])

    def _drop(self, handle: int) -> None:
        # With a link go its deliveries: what it held can be settled by management only.
        self._links.pop(handle).close()
        held = [number for number, (link, _, _) in self.unsettled.items() if link == handle]
        for number in held:
            del self.unsettled[number]

    def send(self, code: Code, fields: list[Any]) -> None:
        """Write a performative on this channel."""
        self.connection.send(write_frame(code, fields, self.channel))

    # Links.

    def _on_attach(self, fields: list[Any]) -> None:
        is_receiver = fields[2]
        terminus = fields[5] if is_receiver else fields[6]
        path = _path(_address(terminus) or "")
        delay = self.host.faults.link_delay(path)
        if delay:
            self.host.loop.call_later(delay, self._attach, fields, path)
        else:
            self._attach(fields, path)

    def _attach(self, fields: list[Any], path: str) -> None:
        name, handle, is_receiver = fields[0], fields[1], bool(fields[2])
        if self.host.faults.refuses_link(path):
            self._refuse(name, handle, is_receiver, "amqp:internal-error", "Told to refuse it.")
            return
        link = self._link_to(path, fields)
        if link is None:
            description = f"The messaging entity '{path}' could not be found."
            self._refuse(name, handle, is_receiver, "amqp:not-found", description)
            return
        self._links[handle] = link
        source = Described(Ulong(0x28), [_address(fields[5])])
        target = Described(Ulong(0x29), [_address(fields[6])])
        answer = [name, Uint(handle), not is_receiver, None, None, source, target, None, None]
        answer += [Uint(0) if is_receiver else None, Ulong(self.host.message_size_max)]
        self.send(Code.ATTACH, answer)
        link.attached()

    def _link_to(self, path: str, fields: list[Any]) -> Link | None:
        handle, is_receiver = fields[1], bool(fields[2])
        if path.endswith("/$management"):
            queue = self.host.broker.find(path.removesuffix("/$management"))
        else:
            queue = self.host.broker.find(path)
        if path == "$cbs" or (queue is not None and path.endswith("/$management")):
            if is_receiver:
                return AnswerLink(self, handle, path)
            return RequestLink(self, handle, path, queue, fields[9] or 0)
        if queue is None:
            return None
        if is_receiver:
            return ReceiverLink(self, handle, queue, settled=fields[3] == 1)
        return SenderLink(self, handle, queue, fields[9] or 0)

    def _refuse(
        self, name: str, handle: int, is_receiver: bool, condition: str, description: str
    ) -> None:
        # An attach without ends says that there will be no link; the detach says why.
        count = Uint(0) if is_receiver else None
        nothing = [None] * 6
        self.send(Code.ATTACH, [name, Uint(handle), not is_receiver, *nothing, count])
        self.send(Code.DETACH, [Uint(handle), True, error(condition, description)])

    def answer(self, path: str, payload: bytes) -> None:
        """Hand a node's answer to the client's link from that node."""
        for link in self._links.values():
            if isinstance(link, AnswerLink) and link.name == path:
                link.put(payload)
                return

    # Flow.

    def _on_flow(self, fields: list[Any]) -> None:
        self.window = (fields[0] or 0) + fields[1] - self._next_outgoing
        handle = fields[4]
        if handle is None:
            for link in self._links.values():
                link.on_window()
        elif handle in self._links:
            self._links[handle].on_flow(fields)

    def send_flow(
        self, handle: int, delivery_count: int, credit: int, *, drain: bool = False
    ) -> None:
        """Tell the client where a link stands."""
        numbers = [self._next_incoming, _WINDOW, self._next_outgoing, _WINDOW]
        numbers += [handle, delivery_count % 2**32, credit]
        self.send(Code.FLOW, [*map(Uint, numbers), None, drain])

    # Deliveries.

    def send_message(
        self, handle: int, payload: bytes, tag: bytes, *, held: Queue | None = None
    ) -> None:
        """Deliver a message: one `held` under lock until it is settled, or one settled already."""
        number = self._next_delivery
        self._next_delivery += 1
        if held is not None:
            self.unsettled[number] = (handle, held, tag)
        frames = write_transfers(
            self.channel,
            handle,
            number,
            tag,
            payload,
            settled=held is None,
            frame_size_max=self.connection.frame_size_max,
        )
        self._next_outgoing += len(frames)
        self.window -= len(frames)
        for frame in frames:
            self.connection.send(frame)

    def confirm(self, delivery_id: int, state: Described) -> None:
        """Settle a delivery that the client has sent."""
        self.connection.send(write_disposition(self.channel, delivery_id, state, is_receiver=True))

    def _on_disposition(self, fields: list[Any]) -> None:
        first, last, settled, outcome = fields[1], fields[2], bool(fields[3]), fields[4]
        if outcome is None or outcome.descriptor not in Outcome.__members__.values():
            return
        for number in range(first, (first if last is None else last) + 1):
            if number in self.unsettled:
                self._settle(number, outcome, settled)

    def _settle(self, number: int, outcome: Described, settled: bool) -> None:
        _, queue, token = self.unsettled.pop(number)
        faults = self.host.faults
        # What the client has settled for itself it does not ask about; it cannot be refused.
        failing = None if settled else faults.fails_settle(queue.name)
        if failing == "drop":
            self.connection.abort()
            return
        if failing == "silence":
            return
        if failing == "error":
            answer = rejected(error("amqp:internal-error", "Told to refuse it."))
        elif not settled and faults.is_busy(queue.name):
            answer = rejected(error("com.microsoft:server-busy", "Told to be busy."))
        else:
            answer = _apply(queue, token, outcome)
        if settled:
            return
        if faults.loses_settle(queue.name):
            self.connection.abort()
            return
        self.connection.send(write_disposition(self.channel, number, answer, is_receiver=False))


def _apply(queue: Queue, token: bytes, outcome: Described) -> Described:
    """Do what a receiver's outcome asks for; gives the answer."""
    details = [*outcome.value, None, None]
    try:
        if outcome.descriptor == Outcome.ACCEPTED:
            queue.complete(token)
        elif outcome.descriptor == Outcome.RELEASED:
            queue.release(token)
        elif outcome.descriptor == Outcome.REJECTED:
            if queue.dead_letters is None:
                return rejected(error("amqp:not-allowed", "It is among the dead letters already."))
            reason, description = _why(details[0])
            queue.reject(token, reason, description)
            return rejected(None)
        elif details[1]:
            queue.defer(token)
        elif details[0]:
            queue.abandon(token)
        else:
            queue.release(token)
    except LockLost:
        description = (
            "The lock supplied is invalid. Either the lock expired, or the message is gone."
        )
        return rejected(error("com.microsoft:message-lock-lost", description))
    return Described(Ulong(outcome.descriptor), [])


def _why(because: Any) -> tuple[str | None, str | None]:
    """Of a rejection's error: the reason and the description."""
    if not isinstance(because, Described):
        return None, None
    fields = [*because.value, None, None]
    info = fields[2] or {}
    return info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription")


def _address(terminus: Any) -> Any:
    return terminus.value[0] if isinstance(terminus, Described) and terminus.value else None


def _path(address: str) -> str:
    """An address without scheme and host."""
    rest = address.partition("://")[2]
    return (rest.partition("/")[2] if rest else address).strip("/")
