"""Frames and what they carry: the performatives by their names, and how they are written."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Any

from tests.emulator.decoding import DecodeError, decode
from tests.emulator.encoding import encode
from tests.emulator.values import Described, Symbol, Uint, Ulong

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
HEARTBEAT = b"\x00\x00\x00\x08\x02\x00\x00\x00"

# What the service announces, and so the most that either side puts into one frame.
FRAME_SIZE_MAX = 65536

AMQP, SASL = 0, 1

_HEAD = Struct(">IBBH")
_U32 = Struct(">I")


class Code(IntEnum):
    """The performatives' descriptors."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_OUTCOME = 0x44


class Outcome(IntEnum):
    """What became of a delivery."""

    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27


# How many fields each performative has, so that all can be asked for by their place.
_FIELDS = {
    Code.OPEN: 10,
    Code.BEGIN: 8,
    Code.ATTACH: 14,
    Code.FLOW: 11,
    Code.TRANSFER: 11,
    Code.DISPOSITION: 6,
    Code.DETACH: 3,
    Code.END: 1,
    Code.CLOSE: 1,
    Code.SASL_INIT: 3,
}


def write_frame(code: Code, fields: list[Any], channel: int = 0, kind: int = AMQP) -> bytes:
    """A frame with a performative."""
    body = encode(Described(Ulong(code), fields))
    return _HEAD.pack(len(body) + 8, 2, kind, channel) + body


def read_performative(frame: bytes) -> tuple[int, list[Any], int]:
    """Of a whole frame: the performative's code, all its fields, and where a payload starts.

    Raises DecodeError.
    """
    described, end = decode(frame, 4 * frame[4])
    if not isinstance(described, Described) or described.descriptor not in _FIELDS:
        raise DecodeError(f"unknown performative {described!r}")
    fields = described.value
    fields.extend([None] * (_FIELDS[described.descriptor] - len(fields)))
    return described.descriptor, fields, end


def write_transfers(
    channel: int,
    handle: int,
    delivery_id: int,
    tag: bytes,
    payload: bytes,
    *,
    settled: bool,
    frame_size_max: int,
) -> list[bytes]:
    """A message as one or more transfers."""
    start = (
        b"\x70"
        + _U32.pack(handle)
        + b"\x70"
        + _U32.pack(delivery_id)
        + b"\xa0"
        + bytes((len(tag),))
        + tag
        + b"\x43"
        + (b"\x41" if settled else b"\x42")
    )
    room = frame_size_max - 8 - 6 - len(start) - 1
    if len(payload) <= room:
        return [_transfer(channel, start, 6, False, payload)]
    following = b"\x70" + _U32.pack(handle) + b"\x40\x40\x40\x40"
    return [
        _transfer(
            channel,
            start if at == 0 else following,
            6,
            at + room < len(payload),
            payload[at : at + room],
        )
        for at in range(0, len(payload), room)
    ]


def _transfer(channel: int, fields: bytes, count: int, more: bool, payload: bytes) -> bytes:
    size = len(fields) + 1
    return b"".join(
        (
            _HEAD.pack(8 + 6 + size + len(payload), 2, AMQP, channel),
            bytes((0x00, 0x53, Code.TRANSFER, 0xC0, size + 1, count)),
            fields,
            b"\x41" if more else b"\x42",
            payload,
        )
    )


def error(condition: str, description: str) -> Described:
    """An error as performatives and outcomes carry it."""
    return Described(Ulong(0x1D), [Symbol(condition), description, None])


def accepted() -> Described:
    return Described(Ulong(Outcome.ACCEPTED), [])


def rejected(because: Described | None) -> Described:
    """Refused, with an error; or, without one, an answer to a receiver that rejects."""
    return Described(Ulong(Outcome.REJECTED), [because])


def write_disposition(
    channel: int, delivery_id: int, state: Described, *, is_receiver: bool
) -> bytes:
    """Say that a delivery is settled, and how."""
    fields = [is_receiver, Uint(delivery_id), Uint(delivery_id), True, state]
    return write_frame(Code.DISPOSITION, fields, channel)
