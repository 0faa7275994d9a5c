"""Python values as AMQP's bytes."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any
from uuid import UUID

from tests.emulator.values import (
    Array,
    Described,
    Int,
    Symbol,
    Timestamp,
    Ubyte,
    Uint,
    Ulong,
    Ushort,
)

_U16 = Struct(">H")
_U32 = Struct(">I")
_I32 = Struct(">i")
_U64 = Struct(">Q")
_I64 = Struct(">q")
_F64 = Struct(">d")
_I8 = Struct(">b")
_U32_TWICE = Struct(">II")


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
