"""The emulator's side of AMQP where the SDK does not look, frame by frame."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.emulator import Counts, Emulator
from tests.emulator.content import Content, read_request, write_answer, write_message
from tests.emulator.encoding import encode
from tests.emulator.frames import AMQP_HEADER, HEARTBEAT, Code, Outcome, read_performative
from tests.emulator.values import Array, Described, Symbol, Timestamp, Uint, Ulong
from tests.integration.emulator.wire import Wire

QUEUE = "email-send"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def wire(emulator: Emulator) -> Iterator[Wire]:
    with Wire(emulator.port) as wire:
        yield wire


def receive(wire: Wire) -> tuple[int, bytes]:
    """The delivery id and the body of a message in one transfer."""
    code, fields, payload = wire.read()
    assert code == Code.TRANSFER, (code, fields)
    return fields[1], payload


def outcome(kind: Outcome, *details: object) -> Described:
    return Described(Ulong(kind), list(details))


@pytest.mark.parametrize(
    ("mechanism", "code"), [("ANONYMOUS", 0), ("EXTERNAL", 0), ("MSSBCBS", 0), ("PLAIN", 1)]
)
def test_clients_log_in_as_the_service_lets_them(wire: Wire, mechanism: str, code: int):
    assert wire.log_in(mechanism) == code


def test_who_speaks_something_else_is_told_so_and_hung_up_on(wire: Wire):
    wire.socket.sendall(b"AMQP\x00\x00\x09\x01")
    assert wire.read_exactly(8) == AMQP_HEADER
    with pytest.raises(EOFError):
        wire.read_exactly(1)


def test_garbage_is_hung_up_on(wire: Wire):
    wire.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises((EOFError, ConnectionResetError)):
        wire.read_exactly(1)


def test_a_frame_that_cannot_be_read_closes_the_connection_with_an_error(wire: Wire):
    wire.open()
    wire.socket.sendall(b"\x00\x00\x00\x0a\x02\x00\x00\x00\xff\xff")
    (error,) = wire.expect(Code.CLOSE)[:1]
    assert error.value[0] == "amqp:decode-error"


def test_a_link_that_is_not_there_closes_the_connection_with_an_error(wire: Wire):
    wire.open()
    wire.begin()
    wire.send(Code.TRANSFER, [Uint(9), Uint(0), b"t", Uint(0)], payload=write_message(b"x"))
    (error,) = wire.expect(Code.CLOSE)[:1]
    assert error.value[0] == "amqp:not-allowed"


def test_a_client_that_asks_for_a_heartbeat_hears_it_in_half_its_time(wire: Wire):
    told = wire.open(idle_ms=100)
    assert (told[2], told[4]) == (65536, 240_000)
    for _ in range(3):
        assert wire.read_raw() == HEARTBEAT


def test_a_client_that_is_silent_for_too_long_is_hung_up_on():
    with Emulator(idle_seconds=0.2) as emulator, Wire(emulator.port) as wire:
        (error,) = wire.expect(Code.CLOSE)[:1]
        assert error.value[0] == "amqp:resource-limit-exceeded"
        with pytest.raises(EOFError):
            wire.read_exactly(1)
        assert emulator.connections() == 0


def test_closing_is_answered(wire: Wire, emulator: Emulator):
    wire.open()
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.send(Code.DETACH, [Uint(0), True])
    assert wire.expect(Code.DETACH)[:2] == [0, True]
    wire.send(Code.END, [])
    wire.expect(Code.END)
    wire.send(Code.CLOSE, [])
    assert wire.expect(Code.CLOSE)[0] is None
    with pytest.raises(EOFError):
        wire.read_exactly(1)
    assert emulator.connections() == 0


def test_no_more_messages_come_than_there_is_credit_for(wire: Wire, emulator: Emulator):
    emulator.put(QUEUE, count=5)
    wire.open()
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.flow(2)
    assert [receive(wire)[0] for _ in range(2)] == [0, 1]
    assert emulator.counts(QUEUE) == Counts(ready=3, locked=2)

    wire.flow(2, seen=2)

    assert [receive(wire)[0] for _ in range(2)] == [2, 3]
    assert emulator.counts(QUEUE) == Counts(ready=1, locked=4)


def test_no_more_messages_come_than_the_session_has_room_for(wire: Wire, emulator: Emulator):
    emulator.put(QUEUE, count=5)
    wire.open()
    wire.begin(window=1)
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.flow(5, window=1)
    assert receive(wire)[0] == 0
    assert emulator.counts(QUEUE) == Counts(ready=4, locked=1)

    wire.send(Code.FLOW, [Uint(1), Uint(2), Uint(0), Uint(1000)])

    assert [receive(wire)[0] for _ in range(2)] == [1, 2]
    assert emulator.counts(QUEUE) == Counts(ready=2, locked=3)


def test_a_drained_link_uses_up_its_credit(wire: Wire, emulator: Emulator):
    emulator.put(QUEUE, count=2)
    wire.open()
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)

    wire.flow(10, drain=True)

    assert [receive(wire)[0] for _ in range(2)] == [0, 1]
    flow = wire.expect(Code.FLOW)
    assert (flow[5], flow[6], flow[8]) == (10, 0, True), "delivery-count, credit, drain"
    emulator.put(QUEUE)
    assert emulator.counts(QUEUE) == Counts(ready=1, locked=2)


def test_large_messages_come_in_frames_of_the_clients_size(wire: Wire, emulator: Emulator):
    body = b"x" * 5000
    emulator.put(QUEUE, body)
    wire.open(frame_size_max=512)
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.flow(1)
    payload, more = b"", True
    while more:
        frame = wire.read_raw()
        assert len(frame) <= 512
        _, fields, end = read_performative(frame)
        payload += frame[end:]
        more = fields[5]
    assert Content(payload).data() == body


def test_several_deliveries_are_settled_in_one_breath(wire: Wire, emulator: Emulator):
    emulator.put(QUEUE, count=4)
    wire.open()
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.flow(4)
    for _ in range(4):
        receive(wire)

    fields = [True, Uint(0), Uint(2), False, outcome(Outcome.ACCEPTED)]
    wire.send(Code.DISPOSITION, fields)

    assert [wire.expect(Code.DISPOSITION)[1] for _ in range(3)] == [0, 1, 2]
    assert emulator.counts(QUEUE) == Counts(locked=1)


@pytest.mark.parametrize(
    ("details", "delivery_count"), [([None, None], 0), ([False, False], 0), ([True, None], 1)]
)
def test_what_is_modified_counts_only_if_it_failed(
    wire: Wire, emulator: Emulator, details: list, delivery_count: int
):
    emulator.put(QUEUE)
    wire.open()
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.flow(1)
    receive(wire)

    modified = outcome(Outcome.MODIFIED, *details)
    wire.send(Code.DISPOSITION, [True, Uint(0), None, False, modified])

    state = wire.expect(Code.DISPOSITION)[4]
    assert state.descriptor == Outcome.MODIFIED
    assert [one.delivery_count for one in emulator.messages(QUEUE)] == [delivery_count]


def test_a_sender_gets_more_credit_before_it_runs_out(wire: Wire, emulator: Emulator):
    wire.open()
    wire.begin()
    wire.attach_sender(QUEUE)
    wire.expect(Code.ATTACH)
    credit = wire.expect(Code.FLOW)[6]
    for number in range(credit // 2):
        fields = [Uint(0), Uint(number), b"t", Uint(0), True]
        wire.send(Code.TRANSFER, fields, payload=write_message(b"x"))

    flow = wire.expect(Code.FLOW)

    assert (flow[5], flow[6]) == (credit // 2, credit)
    assert emulator.counts(QUEUE) == Counts(ready=credit // 2)


def test_a_message_in_parts_is_one_message(wire: Wire, emulator: Emulator):
    whole = write_message(b"in three parts")
    wire.open()
    wire.begin()
    wire.attach_sender("amqps://host:5671/EMAIL-send")
    wire.expect(Code.ATTACH)
    wire.expect(Code.FLOW)
    for start, end in ((0, 5), (5, 9), (9, None)):
        fields = [Uint(0), Uint(0), b"t", Uint(0), False, end is not None]
        wire.send(Code.TRANSFER, fields, payload=whole[start:end])

    answer = wire.expect(Code.DISPOSITION)

    assert (answer[1], answer[3]) == (0, True)
    assert answer[4].descriptor == Outcome.ACCEPTED
    assert [one.body for one in emulator.messages(QUEUE)] == [b"in three parts"]


def test_a_message_that_cannot_be_read_is_rejected(wire: Wire, emulator: Emulator):
    wire.open()
    wire.begin()
    wire.attach_sender(QUEUE)
    wire.expect(Code.ATTACH)
    wire.expect(Code.FLOW)
    wire.send(Code.TRANSFER, [Uint(0), Uint(0), b"t", Uint(0), False], payload=b"\x00\x53\x75\xa0")

    answer = wire.expect(Code.DISPOSITION)

    assert answer[4].descriptor == Outcome.REJECTED
    assert emulator.counts(QUEUE) == Counts()


class Node:
    """A queue's management, asked without the SDK."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._asked = 0
        wire.open()
        wire.begin()
        wire.attach_receiver(f"{QUEUE}/$management", handle=0)
        wire.expect(Code.ATTACH)
        wire.attach_sender(f"{QUEUE}/$management", handle=1)
        wire.expect(Code.ATTACH)
        wire.expect(Code.FLOW)
        wire.flow(10)

    def ask(self, operation: str, body: dict) -> None:
        properties = {"operation": f"com.microsoft:{operation}"}
        fields = [Uint(1), Uint(self._asked), b"t", Uint(0), True]
        request = write_answer(body, properties, None)
        self._wire.send(Code.TRANSFER, fields, payload=request)
        self._asked += 1

    def answer(self) -> tuple[int, str | None]:
        """The next answer's status and error condition."""
        _, properties, _ = read_request(receive(self._wire)[1])
        return properties["statusCode"], properties.get("errorCondition")


def test_the_client_is_told_what_is_wrong_with_its_request(wire: Wire):
    node = Node(wire)
    for operation in ("renew-lock", "fly"):
        node.ask(operation, {})
    wrong = {"disposition-status": "eaten", "lock-tokens": Array([UUID(int=1)])}
    node.ask("update-disposition", wrong)
    node.ask("update-disposition", {**wrong, "disposition-status": "completed"})

    assert [node.answer() for _ in range(4)] == [
        (400, "amqp:invalid-field"),
        (400, "amqp:not-implemented"),
        (400, "amqp:not-allowed"),
        (410, "com.microsoft:message-lock-lost"),
    ]


def test_a_settlement_by_management_may_stay_without_an_answer(wire: Wire, emulator: Emulator):
    node = Node(wire)
    emulator.faults.fail_settle(QUEUE, "silence")
    completed = {"disposition-status": "completed", "lock-tokens": Array([UUID(int=1)])}
    node.ask("update-disposition", completed)
    node.ask("fly", {})

    assert node.answer() == (400, "amqp:not-implemented"), "the first is passed over"


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_a_connection_is_cut_at_its_frame(wire: Wire, emulator: Emulator, frames: int):
    wire.open()
    wire.begin()
    emulator.faults.drop_after(frames)
    # Two frames each, the request and the answer.
    for handle in range((frames - 1) // 2):
        wire.attach_receiver(QUEUE, handle=handle)
        wire.expect(Code.ATTACH)
    wire.attach_receiver(QUEUE, handle=9)

    with pytest.raises((EOFError, ConnectionError)):
        wire.expect(Code.ATTACH)

    assert emulator.connections() == 0


def test_a_lock_ends_in_its_time_and_who_waits_gets_the_message():
    with Emulator(lock_seconds=0.2) as emulator, Wire(emulator.port) as wire:
        emulator.put(QUEUE)
        wire.open()
        wire.begin()
        wire.attach_receiver(QUEUE)
        wire.expect(Code.ATTACH)
        began = time.monotonic()
        wire.flow(2)

        assert [receive(wire)[0] for _ in range(2)] == [0, 1]

        assert 0.2 <= time.monotonic() - began < 5
        assert [one.delivery_count for one in emulator.messages(QUEUE)] == [1]


def test_a_scheduled_message_comes_in_its_time(wire: Wire, emulator: Emulator):
    wire.open()
    wire.begin()
    wire.attach_receiver(QUEUE)
    wire.expect(Code.ATTACH)
    wire.flow(2)
    wire.attach_sender(QUEUE, handle=1)
    wire.expect(Code.ATTACH)
    wire.expect(Code.FLOW)
    at = Timestamp((emulator.now().timestamp() + 0.3) * 1000)
    annotations = Described(Ulong(0x72), {Symbol("x-opt-scheduled-enqueue-time"): at})
    fields = [Uint(1), Uint(0), b"t", Uint(0), True]
    wire.send(Code.TRANSFER, fields, payload=encode(annotations) + write_message(b"later"))

    assert Content(receive(wire)[1]).data() == b"later"

    assert emulator.now().timestamp() * 1000 >= at


def test_receivers_get_their_turn(emulator: Emulator):
    with Wire(emulator.port) as one, Wire(emulator.port) as other:
        for wire in (one, other):
            wire.open()
            wire.begin()
            wire.attach_receiver(QUEUE)
            wire.expect(Code.ATTACH)
            wire.flow(10)
            # Once this is answered, the credit has been seen.
            wire.attach_receiver(QUEUE, handle=1)
            wire.expect(Code.ATTACH)
        emulator.put(QUEUE, count=10)

        assert [[receive(wire)[0] for _ in range(5)] for wire in (one, other)] == [
            list(range(5))
        ] * 2
