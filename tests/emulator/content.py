"""A message as it travels: its sections, and what the broker adds to them.

A message is kept as the bytes its sender wrote. Only the header and the annotations, which belong
to the broker, are written anew for each delivery; the rest goes out as it came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.emulator.decoding import decode, end_of
from tests.emulator.encoding import compound, encode
from tests.emulator.values import Described, Int, Symbol, Timestamp, Ubyte, Uint, Ulong

# The message format of a batch: one message whose data sections are messages.
BATCH_FORMAT = 0x80013700

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES = 0x70, 0x71, 0x72, 0x73
APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = 0x74, 0x75, 0x76, 0x77, 0x78

SCHEDULED_FOR = Symbol("x-opt-scheduled-enqueue-time")
_SEQUENCE_NUMBER = encode(Symbol("x-opt-sequence-number"))
_ENQUEUED_AT = encode(Symbol("x-opt-enqueued-time"))
_LOCKED_UNTIL = encode(Symbol("x-opt-locked-until"))
_STATE = encode(Symbol("x-opt-message-state"))
# What the broker alone may say; a message that is sent on carries the last one's.
_OURS = {
    "x-opt-sequence-number",
    "x-opt-enqueued-time",
    "x-opt-locked-until",
    "x-opt-message-state",
    "x-opt-enqueue-sequence-number",
    "x-opt-lock-token",
}


class Content:
    """What a sender wrote, cut up so that the broker's part can be put in without reading it all.

    `annotations` and `application_properties` are encoded pairs without the map around them.
    """

    __slots__ = (
        "annotations",
        "application_properties",
        "body",
        "header_start",
        "message_id",
        "properties",
        "scheduled_for",
    )

    def __init__(self, raw: bytes) -> None:
        durable, priority, ttl = True, 4, None
        self.annotations: list[bytes] = []
        self.application_properties: list[bytes] = []
        self.properties = b""
        self.message_id: str | None = None
        self.scheduled_for: float | None = None
        bodies = []
        for section, start, value_at, end in sections(raw):
            if section == HEADER:
                fields = [*(decode(raw, value_at)[0] or []), None, None, None]
                durable, priority, ttl = bool(fields[0]), fields[1] or 4, fields[2]
            elif section == ANNOTATIONS:
                self._keep_annotations(raw, value_at)
            elif section == PROPERTIES:
                self.properties = raw[start:end]
                fields = decode(raw, value_at)[0]
                self.message_id = None if not fields or fields[0] is None else str(fields[0])
            elif section == APPLICATION_PROPERTIES:
                self.application_properties = [pair for _, pair in pairs(raw, value_at)]
            elif section != DELIVERY_ANNOTATIONS:
                bodies.append(raw[start:end])
        self.body = b"".join(bodies)
        self.header_start = (
            encode(durable)
            + encode(Ubyte(priority))
            + encode(None if ttl is None else Uint(min(ttl, 2**32 - 1)))
        )

    def _keep_annotations(self, raw: bytes, value_at: int) -> None:
        for key, pair in pairs(raw, value_at):
            if key == SCHEDULED_FOR:
                value = decode(pair, end_of(pair, 0))[0]
                self.scheduled_for = None if value is None else value / 1000
            if key not in _OURS:
                self.annotations.append(pair)

    def set_application_property(self, name: str, value: str | None) -> None:
        """Write a property, in place of one of the same name; None takes it away."""
        start = encode(name)
        kept = [
            pair
            for pair in self.application_properties
            if not (pair[: end_of(pair, 0)] == start or decode(pair)[0] == name)
        ]
        if value is not None:
            kept.append(start + encode(value))
        self.application_properties = kept

    def deliver(
        self,
        *,
        delivery_count: int,
        sequence_number: int,
        enqueued_at: float,
        locked_until: float | None = None,
        state: int | None = None,
    ) -> bytes:
        """The message as it goes out. Instants are seconds since 1970."""
        header = self.header_start + encode(delivery_count == 0) + encode(Uint(delivery_count))
        added = [
            _SEQUENCE_NUMBER + encode(sequence_number),
            _ENQUEUED_AT + encode(Timestamp(enqueued_at * 1000)),
        ]
        if locked_until is not None:
            added.append(_LOCKED_UNTIL + encode(Timestamp(locked_until * 1000)))
        if state is not None:
            added.append(_STATE + encode(Int(state)))
        return b"".join(
            (
                b"\x00\x53\x70",
                compound(0xC0, 0xD0, 5, header),
                b"\x00\x53\x72",
                _map([*self.annotations, *added]),
                self.properties,
                b"\x00\x53\x74" + _map(self.application_properties)
                if self.application_properties
                else b"",
                self.body,
            )
        )

    def data(self) -> bytes:
        """The body, if it is data: what a client's `body` is."""
        return b"".join(
            decode(self.body, value_at)[0]
            for section, _, value_at, _ in sections(self.body)
            if section == DATA
        )

    def readable_properties(self) -> dict[str, Any]:
        """The application properties as Python values."""
        readable = {}
        for pair in self.application_properties:
            name, at = decode(pair)
            readable[name] = decode(pair, at)[0]
        return readable

    def readable_header(self) -> list[Any]:
        """message-id, user-id, to, subject, reply-to, correlation-id … as far as they are set."""
        return list(decode(self.properties, 3)[0]) if self.properties else []


def sections(raw: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Every section of a message: which, where it starts, where its value starts, where it ends."""
    at = 0
    while at < len(raw):
        descriptor, value_at = decode(raw, at + 1)
        end = end_of(raw, value_at)
        yield descriptor, at, value_at, end
        at = end


def pairs(raw: bytes, at: int) -> Iterator[tuple[Any, bytes]]:
    """Every pair of an encoded map: its key, and both as bytes."""
    constructor = raw[at]
    if constructor == 0xC1:
        count, at = raw[at + 2], at + 3
    elif constructor == 0xD1:
        count, at = int.from_bytes(raw[at + 5 : at + 9], "big"), at + 9
    else:
        return
    for _ in range(count // 2):
        key, value_at = decode(raw, at)
        end = end_of(raw, value_at)
        yield key, raw[at:end]
        at = end


def messages_in(payload: bytes, message_format: int) -> list[bytes]:
    """The messages of one transfer: itself, or what a batch carries."""
    if message_format != BATCH_FORMAT:
        return [payload]
    return [
        decode(payload, value_at)[0]
        for section, _, value_at, _ in sections(payload)
        if section == DATA
    ]


def write_message(
    body: bytes,
    *,
    message_id: str | None = None,
    subject: str | None = None,
    correlation_id: str | None = None,
    application_properties: dict[str, Any] | None = None,
) -> bytes:
    """A message of data, as a client would write it."""
    properties = [message_id, None, None, subject, None, correlation_id]
    written = [encode(Described(Ulong(PROPERTIES), properties))]
    if application_properties:
        written.append(encode(Described(Ulong(APPLICATION_PROPERTIES), application_properties)))
    written.append(encode(Described(Ulong(DATA), body)))
    return b"".join(written)


def write_answer(
    value: Any, application_properties: dict[str, Any], correlation_id: object
) -> bytes:
    """A node's answer: a value, a status among its properties, and whose request it was."""
    return (
        encode(Described(Ulong(PROPERTIES), [None, None, None, None, None, correlation_id]))
        + encode(Described(Ulong(APPLICATION_PROPERTIES), application_properties))
        + encode(Described(Ulong(VALUE), value))
    )


def read_request(payload: bytes) -> tuple[object, dict[str, Any], Any]:
    """Of a request to a node: its message id, its application properties, its body's value."""
    message_id: object = None
    properties: dict[str, Any] = {}
    body = None
    for section, _, value_at, _ in sections(payload):
        if section == PROPERTIES:
            fields = decode(payload, value_at)[0]
            message_id = fields[0] if fields else None
        elif section == APPLICATION_PROPERTIES:
            properties = decode(payload, value_at)[0] or {}
        elif section == VALUE:
            body = decode(payload, value_at)[0]
    return message_id, properties, body


def _map(encoded_pairs: list[bytes]) -> bytes:
    return compound(0xC1, 0xD1, 2 * len(encoded_pairs), b"".join(encoded_pairs))
