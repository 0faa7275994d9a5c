"""AMQP's bytes as Python values: all integers are ints, symbols are `Symbol`."""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Any
from uuid import UUID

from tests.emulator.values import Array, Described, Symbol


class DecodeError(Exception):
    """The bytes are no AMQP value."""


_U16 = Struct(">H")
_U32 = Struct(">I")
_I32 = Struct(">i")
_U64 = Struct(">Q")
_I64 = Struct(">q")
_F32 = Struct(">f")
_F64 = Struct(">d")
_I8 = Struct(">b")
_I16 = Struct(">h")
_U32_TWICE = Struct(">II")


# Every function takes the buffer and the place after the constructor, and gives the value
# and the place after it. Nothing is sliced but what is kept.


def decode(buffer: bytes, at: int = 0) -> tuple[Any, int]:
    """The value at a place, and the place after it. Raises DecodeError."""
    try:
        value, end = _READERS[buffer[at]](buffer, at + 1)
        if end > len(buffer):
            raise IndexError("cut off")
        return value, end
    except (KeyError, IndexError, ValueError, TypeError, struct.error) as fault:
        raise DecodeError(f"no AMQP value at byte {at}: {fault!r}") from fault


def end_of(buffer: bytes, at: int) -> int:
    """The place after the value at a place, without reading it. Raises DecodeError."""
    try:
        end = _skip(buffer, at)
    except (KeyError, IndexError, struct.error) as fault:
        raise DecodeError(f"no AMQP value at byte {at}: {fault!r}") from fault
    if end > len(buffer):
        raise DecodeError(f"cut off after byte {at}")
    return end


def _skip(buffer: bytes, at: int) -> int:
    constructor = buffer[at]
    kind = constructor >> 4
    if kind in (0xA, 0xC, 0xE):
        return at + 2 + buffer[at + 1]
    if kind in (0xB, 0xD, 0xF):
        return at + 5 + _U32.unpack_from(buffer, at + 1)[0]
    if constructor == 0:
        return _skip(buffer, _skip(buffer, at + 1))
    return at + 1 + _WIDTHS[kind]


_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}


def _constant(value: Any) -> Callable[[bytes, int], tuple[Any, int]]:
    return lambda buffer, at: (value, at)


def _fixed(layout: Struct) -> Callable[[bytes, int], tuple[Any, int]]:
    width, unpack = layout.size, layout.unpack_from
    return lambda buffer, at: (unpack(buffer, at)[0], at + width)


def _read_byte(buffer: bytes, at: int) -> tuple[int, int]:
    return buffer[at], at + 1


def _read_boolean(buffer: bytes, at: int) -> tuple[bool, int]:
    return buffer[at] == 1, at + 1


def _read_uuid(buffer: bytes, at: int) -> tuple[UUID, int]:
    return UUID(bytes=bytes(buffer[at : at + 16])), at + 16


def _read_short_bytes(buffer: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + buffer[at]
    return _whole(buffer, at + 1, end), end


def _read_long_bytes(buffer: bytes, at: int) -> tuple[bytes, int]:
    end = at + 4 + _U32.unpack_from(buffer, at)[0]
    return _whole(buffer, at + 4, end), end


def _whole(buffer: bytes, start: int, end: int) -> bytes:
    if end > len(buffer):
        raise IndexError("cut off")
    return bytes(buffer[start:end])


def _read_short_text(buffer: bytes, at: int) -> tuple[str, int]:
    raw, end = _read_short_bytes(buffer, at)
    return raw.decode(), end


def _read_long_text(buffer: bytes, at: int) -> tuple[str, int]:
    raw, end = _read_long_bytes(buffer, at)
    return raw.decode(), end


def _read_short_symbol(buffer: bytes, at: int) -> tuple[Symbol, int]:
    raw, end = _read_short_bytes(buffer, at)
    return Symbol(raw.decode("ascii")), end


def _read_long_symbol(buffer: bytes, at: int) -> tuple[Symbol, int]:
    raw, end = _read_long_bytes(buffer, at)
    return Symbol(raw.decode("ascii")), end


def _items(buffer: bytes, at: int, count: int) -> tuple[list[Any], int]:
    readers = _READERS
    values = []
    for _ in range(count):
        value, at = readers[buffer[at]](buffer, at + 1)
        values.append(value)
    return values, at


def _read_short_list(buffer: bytes, at: int) -> tuple[list[Any], int]:
    return _items(buffer, at + 2, buffer[at + 1])


def _read_long_list(buffer: bytes, at: int) -> tuple[list[Any], int]:
    return _items(buffer, at + 8, _U32.unpack_from(buffer, at + 4)[0])


def _read_short_map(buffer: bytes, at: int) -> tuple[dict[Any, Any], int]:
    values, end = _read_short_list(buffer, at)
    return dict(zip(values[::2], values[1::2], strict=True)), end


def _read_long_map(buffer: bytes, at: int) -> tuple[dict[Any, Any], int]:
    values, end = _read_long_list(buffer, at)
    return dict(zip(values[::2], values[1::2], strict=True)), end


def _elements(buffer: bytes, at: int, count: int) -> tuple[Array, int]:
    if count > len(buffer):
        raise ValueError(f"{count} elements in {len(buffer)} bytes")
    descriptor = None
    described = buffer[at] == 0
    if described:
        descriptor, at = decode(buffer, at + 1)
    reader = _READERS[buffer[at]]
    at += 1
    values = Array()
    for _ in range(count):
        value, at = reader(buffer, at)
        values.append(Described(descriptor, value) if described else value)
    return values, at


def _read_short_array(buffer: bytes, at: int) -> tuple[Array, int]:
    count = buffer[at + 1]
    return _elements(buffer, at + 2, count) if count else (Array(), at + 1 + buffer[at])


def _read_long_array(buffer: bytes, at: int) -> tuple[Array, int]:
    size, count = _U32_TWICE.unpack_from(buffer, at)
    return _elements(buffer, at + 8, count) if count else (Array(), at + 4 + size)


def _read_described(buffer: bytes, at: int) -> tuple[Described, int]:
    descriptor, at = _READERS[buffer[at]](buffer, at + 1)
    value, at = _READERS[buffer[at]](buffer, at + 1)
    return Described(descriptor, value), at


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0x00: _read_described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: lambda buffer, at: ([], at),
    0x50: _read_byte,
    0x51: _fixed(_I8),
    0x52: _read_byte,
    0x53: _read_byte,
    0x54: _fixed(_I8),
    0x55: _fixed(_I8),
    0x56: _read_boolean,
    0x60: _fixed(_U16),
    0x61: _fixed(_I16),
    0x70: _fixed(_U32),
    0x71: _fixed(_I32),
    0x72: _fixed(_F32),
    0x80: _fixed(_U64),
    0x81: _fixed(_I64),
    0x82: _fixed(_F64),
    0x83: _fixed(_I64),
    0x98: _read_uuid,
    0xA0: _read_short_bytes,
    0xA1: _read_short_text,
    0xA3: _read_short_symbol,
    0xB0: _read_long_bytes,
    0xB1: _read_long_text,
    0xB3: _read_long_symbol,
    0xC0: _read_short_list,
    0xC1: _read_short_map,
    0xD0: _read_long_list,
    0xD1: _read_long_map,
    0xE0: _read_short_array,
    0xF0: _read_long_array,
}
