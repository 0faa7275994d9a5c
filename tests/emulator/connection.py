"""One client's connection: its headers, its frames, its sessions, its heartbeat."""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import TYPE_CHECKING, Any

from tests.emulator.decoding import DecodeError
from tests.emulator.frames import (
    AMQP_HEADER,
    FRAME_SIZE_MAX,
    HEARTBEAT,
    SASL,
    SASL_HEADER,
    Code,
    error,
    read_performative,
    write_frame,
)
from tests.emulator.session import Session
from tests.emulator.values import Array, Symbol, Ubyte, Uint, Ushort

if TYPE_CHECKING:
    from tests.emulator.host import Host

MECHANISMS = ("MSSBCBS", "ANONYMOUS", "EXTERNAL")
_SASL_OK, _SASL_REFUSED = 0, 1
_U32 = Struct(">I")


class Connection(asyncio.Protocol):
    """A client's connection, from its first byte on."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.frame_size_max = FRAME_SIZE_MAX
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._out: list[bytes] = []
        self._sessions: dict[int, Session] = {}
        self._heard_at = 0.0
        self._beats: list[asyncio.TimerHandle] = []

    # The socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.host.connected(self)
        self._heard_at = self.host.loop.time()
        self._watch_idleness()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._out.clear()
        self.host.connections.discard(self)
        for beat in self._beats:
            beat.cancel()
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.host.loop.time()
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        while end - at >= 8 and self._transport is not None:
            if buffer[at : at + 4] == b"AMQP":
                self._on_header(buffer[at : at + 8])
                at += 8
                continue
            size = _U32.unpack_from(buffer, at)[0]
            if not 8 <= size <= FRAME_SIZE_MAX:
                self.abort()
                return
            if end - at < size:
                break
            self._on_frame(buffer[at : at + size])
            at += size
        self._rest = buffer[at:]

    def send(self, frame: bytes) -> None:
        """Write a frame; what is written in one go leaves in one piece."""
        if self.host.faults.strikes_frame():
            self.abort()
            return
        if not self._out:
            self.host.loop.call_soon(self._flush)
        self._out.append(frame)

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def abort(self) -> None:
        """Cut the connection without a word; what was not sent yet is lost."""
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def close(self) -> None:
        """Send what is still to be sent, then hang up."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def detach_all(self, entity: str) -> None:
        """Detach the links of the queues whose name ends so."""
        for session in self._sessions.values():
            session.detach_all(entity)

    # Idleness.

    def _watch_idleness(self) -> None:
        limit = self.host.idle_seconds
        silent = self.host.loop.time() - self._heard_at
        if silent >= limit:
            self.fail("amqp:resource-limit-exceeded", f"The connection was silent for {limit} s.")
            return
        self._beats[:1] = [self.host.loop.call_later(limit - silent, self._watch_idleness)]

    def _beat(self, seconds: float) -> None:
        self.send(HEARTBEAT)
        self._beats[1:] = [self.host.loop.call_later(seconds, self._beat, seconds)]

    # Frames.

    def _on_header(self, header: bytes) -> None:
        self.send(header if header == SASL_HEADER else AMQP_HEADER)
        if header == SASL_HEADER:
            mechanisms = Array(map(Symbol, MECHANISMS))
            self.send(write_frame(Code.SASL_MECHANISMS, [mechanisms], kind=SASL))
        elif header != AMQP_HEADER:
            self.close()

    def _on_frame(self, frame: bytes) -> None:
        if self.host.faults.strikes_frame():
            self.abort()
            return
        if len(frame) <= 4 * frame[4]:
            return
        channel = frame[6] << 8 | frame[7]
        try:
            code, fields, end = read_performative(frame)
            if frame[5] == SASL:
                self._on_sasl(code, fields)
            elif code == Code.OPEN:
                self._on_open(fields)
            elif code == Code.BEGIN:
                self._sessions[channel] = Session(self, channel, fields)
            elif code == Code.END:
                self._on_end(channel)
            elif code == Code.CLOSE:
                self.send(write_frame(Code.CLOSE, []))
                self.close()
            else:
                self._sessions[channel].on_performative(code, fields, frame[end:])
        except DecodeError as fault:
            self.fail("amqp:decode-error", str(fault))
        except KeyError as fault:
            self.fail("amqp:not-allowed", f"There is no session or link {fault}.")

    def fail(self, condition: str, description: str) -> None:
        """Close with an error."""
        self.send(write_frame(Code.CLOSE, [error(condition, description)]))
        self.close()

    def _on_sasl(self, code: int, fields: list[Any]) -> None:
        if code == Code.SASL_INIT:
            code = _SASL_OK if fields[0] in MECHANISMS else _SASL_REFUSED
            self.send(write_frame(Code.SASL_OUTCOME, [Ubyte(code)], kind=SASL))

    def _on_open(self, fields: list[Any]) -> None:
        if fields[2]:
            self.frame_size_max = min(FRAME_SIZE_MAX, fields[2])
        idle = Uint(self.host.idle_seconds * 1000)
        answer = ["emulator", None, Uint(FRAME_SIZE_MAX), Ushort(4999), idle]
        self.send(write_frame(Code.OPEN, answer))
        if fields[4]:
            self._beat(fields[4] / 2000)

    def _on_end(self, channel: int) -> None:
        self._sessions.pop(channel).close()
        self.send(write_frame(Code.END, [], channel))
