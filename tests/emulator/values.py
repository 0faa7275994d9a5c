"""The types of AMQP 1.0 that Python has no own type for.

Only what a broker and its clients say to each other: no decimals, no chars. Python's own types go
out as the AMQP type a reader would guess; where another one is meant, one of these says so.
"""

from __future__ import annotations

from typing import Any


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
