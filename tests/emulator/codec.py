"""The types of AMQP 1.0 as bytes, and back.

Only what a broker and its clients say to each other: no decimals, no chars. Python's own types go
out as the AMQP type a reader would guess; where another one is meant, one of the small classes
below says so. What comes in is plain Python: all integers are ints, symbols are `Symbol`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Any
from uuid import UUID


class DecodeError(Exception):
    """The bytes are no AMQP value."""


class Symbol(str):
    """A name out of a list that both sides know."""


class Ubyte(int):
    """0 … 255."""


class Ushort(int):
    """0 … 2¹⁶-1."""


class Uint(int):
    """0 … 2³²-1."""


class Ulong(int):
    """0 … 2⁶⁴-1."""


class Int(int):
    """A signed number of 32 bits; a plain int goes out as a long."""


class Timestamp(int):
    """Milliseconds since 1970 (UTC)."""


class Array(list):
    """Elements of one type, which the first one tells; never empty on the wire, then a null."""


class Described:
    """A value with a descriptor that says what it is."""

    __slots__ = ("descriptor", "value")

    def __init__(self, descriptor: Any, value: Any) -> None:
        self.descriptor = descriptor
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and (self.descriptor, self.value) == (
            other.descriptor,
            other.value,
        )

    def __hash__(self) -> int:
        return hash(self.descriptor)

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"


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


# Reading: every function takes the buffer and the place after the constructor, and gives the value
# and the place after it. Nothing is sliced but what is kept.


def decode(buffer: bytes, at: int = 0) -> tuple[Any, int]:
    """The value at a place, and the place after it. Raises DecodeError."""
    try:
        return _READERS[buffer[at]](buffer, at + 1)
    except (KeyError, IndexError, ValueError, TypeError, struct.error) as fault:
        raise DecodeError(f"no AMQP value at byte {at}: {fault!r}") from fault


def end_of(buffer: bytes, at: int) -> int:
    """The place after the value at a place, without reading what has a length."""
    constructor = buffer[at]
    kind = constructor >> 4
    if kind in (0xA, 0xC, 0xE):
        return at + 2 + buffer[at + 1]
    if kind in (0xB, 0xD, 0xF):
        return at + 5 + _U32.unpack_from(buffer, at + 1)[0]
    if constructor == 0:
        return end_of(buffer, end_of(buffer, at + 1))
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


# Writing: every function gives the value with its constructor.


def encode(value: Any) -> bytes:
    """A value as bytes. Raises TypeError for a type AMQP does not have."""
    try:
        return _WRITERS[type(value)](value)
    except KeyError:
        raise TypeError(f"no AMQP type for {type(value).__name__}") from None


def _write_null(value: None) -> bytes:
    return b"\x40"


def _write_boolean(value: bool) -> bytes:
    return b"\x41" if value else b"\x42"


def _write_ubyte(value: int) -> bytes:
    return b"\x50" + value.to_bytes(1, "big")


def _write_ushort(value: int) -> bytes:
    return b"\x60" + _U16.pack(value)


def _write_uint(value: int) -> bytes:
    if value == 0:
        return b"\x43"
    return b"\x52" + value.to_bytes(1, "big") if value < 256 else b"\x70" + _U32.pack(value)


def _write_ulong(value: int) -> bytes:
    if value == 0:
        return b"\x44"
    return b"\x53" + value.to_bytes(1, "big") if value < 256 else b"\x80" + _U64.pack(value)


def _write_int(value: int) -> bytes:
    return b"\x54" + _I8.pack(value) if -128 <= value < 128 else b"\x71" + _I32.pack(value)


def _write_long(value: int) -> bytes:
    return b"\x55" + _I8.pack(value) if -128 <= value < 128 else b"\x81" + _I64.pack(value)


def _write_timestamp(value: int) -> bytes:
    return b"\x83" + _I64.pack(value)


def _write_double(value: float) -> bytes:
    return b"\x82" + _F64.pack(value)


def _write_uuid(value: UUID) -> bytes:
    return b"\x98" + value.bytes


def _variable(short: int, long: int, raw: bytes) -> bytes:
    size = len(raw)
    return bytes((short, size)) + raw if size < 256 else bytes((long,)) + _U32.pack(size) + raw


def _write_binary(value: bytes) -> bytes:
    return _variable(0xA0, 0xB0, value)


def _write_text(value: str) -> bytes:
    return _variable(0xA1, 0xB1, value.encode())


def _write_symbol(value: str) -> bytes:
    return _variable(0xA3, 0xB3, value.encode("ascii"))


def compound(short: int, long: int, count: int, body: bytes) -> bytes:
    """A list, map or array: its size, its count, and its encoded items."""
    size = len(body)
    if size < 255 and count < 256:
        return bytes((short, size + 1, count)) + body
    return bytes((long,)) + _U32_TWICE.pack(size + 4, count) + body


def _write_list(value: list[Any]) -> bytes:
    if not value:
        return b"\x45"
    return compound(0xC0, 0xD0, len(value), b"".join(map(encode, value)))


def _write_map(value: dict[Any, Any]) -> bytes:
    body = b"".join(encode(key) + encode(item) for key, item in value.items())
    return compound(0xC1, 0xD1, 2 * len(value), body)


def _write_array(value: Array) -> bytes:
    if not value:
        return b"\x40"
    constructor, packed = _ARRAYS[type(value[0])]
    body = bytes((constructor,)) + b"".join(map(packed, value))
    return compound(0xE0, 0xF0, len(value), body)


def _write_described(value: Described) -> bytes:
    return b"\x00" + encode(value.descriptor) + encode(value.value)


def _sized(raw: bytes) -> bytes:
    return _U32.pack(len(raw)) + raw


_ARRAYS: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    int: (0x81, _I64.pack),
    Timestamp: (0x83, _I64.pack),
    UUID: (0x98, lambda value: value.bytes),
    Symbol: (0xB3, lambda value: _sized(value.encode("ascii"))),
    str: (0xB1, lambda value: _sized(value.encode())),
}

_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): _write_null,
    bool: _write_boolean,
    Ubyte: _write_ubyte,
    Ushort: _write_ushort,
    Uint: _write_uint,
    Ulong: _write_ulong,
    Int: _write_int,
    int: _write_long,
    Timestamp: _write_timestamp,
    float: _write_double,
    UUID: _write_uuid,
    bytes: _write_binary,
    bytearray: _write_binary,
    str: _write_text,
    Symbol: _write_symbol,
    list: _write_list,
    dict: _write_map,
    Array: _write_array,
    Described: _write_described,
}
