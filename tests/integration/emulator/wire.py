"""A client of bare frames, for what the SDK never does or never shows."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Any

from tests.emulator.decoding import decode
from tests.emulator.frames import AMQP_HEADER, SASL, SASL_HEADER, Code, write_frame
from tests.emulator.values import Described, Symbol, Uint, Ulong


class Wire:
    """A connection to an emulator."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.socket.close()

    def read_exactly(self, count: int) -> bytes:
        """So many bytes. Raises EOFError when the emulator hangs up before."""
        parts = b""
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts

    def read_raw(self) -> bytes:
        """The next frame, heartbeats too."""
        size = self.read_exactly(4)
        return size + self.read_exactly(int.from_bytes(size, "big") - 4)

    def read(self) -> tuple[int, list[Any], bytes]:
        """The next performative: its code, its fields, its payload."""
        frame = self.read_raw()
        described, end = decode(frame, 8)
        return described.descriptor, described.value, frame[end:]

    def expect(self, code: Code) -> list[Any]:
        """The fields of the next performative, which is to be this one."""
        found, fields, _ = self.read()
        assert found == code, (found, fields)
        return fields + [None] * (14 - len(fields))

    def send(self, code: Code, fields: list[Any], *, kind: int = 0, payload: bytes = b"") -> None:
        """Write a performative on channel 0."""
        frame = write_frame(code, fields, kind=kind)
        size = len(frame) + len(payload)
        self.socket.sendall(size.to_bytes(4, "big") + frame[4:] + payload)

    def log_in(self, mechanism: str) -> int:
        """Go through SASL; gives the outcome's code."""
        self.socket.sendall(SASL_HEADER)
        assert self.read_exactly(8) == SASL_HEADER
        (mechanisms,) = self.expect(Code.SASL_MECHANISMS)[:1]
        assert set(mechanisms) == {"MSSBCBS", "ANONYMOUS", "EXTERNAL"}
        self.send(Code.SASL_INIT, [Symbol(mechanism), b"", "host"], kind=SASL)
        return int(self.expect(Code.SASL_OUTCOME)[0])

    def open(self, *, frame_size_max: int = 65536, idle_ms: int | None = None) -> list[Any]:
        """Log in and open; gives what the emulator says of itself."""
        assert self.log_in("ANONYMOUS") == 0
        self.socket.sendall(AMQP_HEADER)
        assert self.read_exactly(8) == AMQP_HEADER
        idle = None if idle_ms is None else Uint(idle_ms)
        self.send(Code.OPEN, ["test", "host", Uint(frame_size_max), None, idle])
        return self.expect(Code.OPEN)

    def begin(self, *, window: int = 1000) -> None:
        """Begin a session on channel 0."""
        self.send(Code.BEGIN, [None, Uint(0), Uint(window), Uint(1000)])
        assert self.expect(Code.BEGIN)[0] == 0

    def attach_receiver(self, address: str, handle: int = 0) -> None:
        """Attach a link to receive on, as a client that settles itself."""
        source = Described(Ulong(0x28), [address])
        target = Described(Ulong(0x29), [])
        self.send(Code.ATTACH, [f"r{handle}", Uint(handle), True, None, None, source, target])

    def attach_sender(self, address: str, handle: int = 0) -> None:
        """Attach a link to send on."""
        source = Described(Ulong(0x28), [])
        target = Described(Ulong(0x29), [address])
        start = [None, None, Uint(0)]
        fields = [f"s{handle}", Uint(handle), False, None, None, source, target, *start]
        self.send(Code.ATTACH, fields)

    def flow(
        self,
        credit: int,
        *,
        handle: int = 0,
        seen: int = 0,
        window: int = 1000,
        drain: bool = False,
    ) -> None:
        """Give a link credit, having seen so many deliveries."""
        numbers = [Uint(seen), Uint(window), Uint(0), Uint(1000), Uint(handle), Uint(seen)]
        self.send(Code.FLOW, [*numbers, Uint(credit), None, drain])
