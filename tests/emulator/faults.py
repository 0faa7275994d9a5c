"""What can be made to go wrong, from any thread.

Each switch counts down on its own: `times` says how often it strikes (None: until `clear`), and
`probability` how likely it is each time, by a seeded die. `entity` narrows it to the queues whose
name ends so ("/$DeadLetterQueue" for all dead letters, "" for everything).
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

How = Literal["error", "drop", "silence"]


@dataclass
class _Switch:
    times: int | None
    probability: float
    entity: str
    how: str = ""
    seconds: float = 0.0


class Faults:
    """The switches of one emulator.

    The functions are what the emulator does about its connections and its door; each is
    done when it returns.
    """

    def __init__(
        self,
        cut: Callable[[], None],
        detach: Callable[[str], None],
        shut: Callable[[float | None], None],
        reopen: Callable[[], None],
    ) -> None:
        self._cut = cut
        self._detach = detach
        self._shut = shut
        self._reopen = reopen
        self._lock = threading.Lock()
        self._random = random.Random(0)  # noqa: S311
        self._switches: dict[str, list[_Switch]] = {}
        self._frames_left: int | None = None
        self._drop_probability = 0.0
        self._refuses_auth = False

    # Connections.

    def drop_connections(self) -> None:
        """Cut all connections, without a word."""
        self._cut()

    def drop_after(self, frames: int) -> None:
        """Cut the connection on which the so-manieth frame from now on passes, either way; once."""
        with self._lock:
            self._frames_left = frames

    def drop_at_random(self, probability: float, seed: int = 0) -> None:
        """Cut a connection at each of its frames with a probability; 0 ends it."""
        with self._lock:
            self._random.seed(seed)
            self._drop_probability = probability

    def outage(self, seconds: float | None = None) -> None:
        """Cut all connections and refuse new ones, for so long (real time) or till `end_outage`."""
        self._shut(seconds)

    def end_outage(self) -> None:
        """Let clients connect again."""
        self._reopen()

    def refuse_auth(self, refused: bool = True) -> None:
        """Answer every token with 401, or no longer."""
        with self._lock:
            self._refuses_auth = refused

    # Operations.

    def lose_send_answers(
        self, times: int | None = 1, *, probability: float = 1.0, entity: str = ""
    ) -> None:
        """Store what is sent, but cut the connection instead of saying so."""
        self._set("lose send", _Switch(times, probability, entity))

    def lose_settle_answers(
        self, times: int | None = 1, *, probability: float = 1.0, entity: str = ""
    ) -> None:
        """Do what a settlement asks for, but cut the connection instead of saying so."""
        self._set("lose settle", _Switch(times, probability, entity))

    def busy(self, times: int | None = 1, *, probability: float = 1.0, entity: str = "") -> None:
        """Refuse sends, settlements and management with com.microsoft:server-busy."""
        self._set("busy", _Switch(times, probability, entity))

    def fail_settle(
        self,
        entity: str = "",
        how: How = "error",
        times: int | None = 1,
        *,
        probability: float = 1.0,
    ) -> None:
        """Do not do what a settlement asks for: refuse it, cut the connection, or say nothing.

        The client tries again, also by way of the queue's management: `times=None` fails them all.
        """
        self._set("fail settle", _Switch(times, probability, entity, how))

    def detach_links(self, entity: str = "") -> None:
        """Detach the links to queues and their management with amqp:link:detach-forced, now."""
        self._detach(entity)

    def refuse_links(self, entity: str = "", times: int | None = 1) -> None:
        """Detach links as soon as they are attached, with amqp:internal-error."""
        self._set("refuse link", _Switch(times, 1.0, entity))

    def delay_links(self, seconds: float, entity: str = "", times: int | None = 1) -> None:
        """Answer the attaching of a link only after a while."""
        self._set("delay link", _Switch(times, 1.0, entity, seconds=seconds))

    def clear(self) -> None:
        """Switch everything off but an outage."""
        with self._lock:
            self._switches.clear()
            self._frames_left = None
            self._drop_probability = 0.0
            self._refuses_auth = False

    def _set(self, kind: str, switch: _Switch) -> None:
        with self._lock:
            self._switches.setdefault(kind, []).append(switch)

    # What the emulator asks.

    def strikes_frame(self) -> bool:
        """Whether to cut the connection at this frame."""
        if self._frames_left is None and not self._drop_probability:
            return False
        with self._lock:
            if self._frames_left is not None:
                self._frames_left -= 1
                if self._frames_left <= 0:
                    self._frames_left = None
                    return True
            return self._random.random() < self._drop_probability

    def refuses_token(self) -> bool:
        """Whether no token is good enough."""
        return self._refuses_auth

    def loses_send(self, entity: str) -> bool:
        return self._strike("lose send", entity) is not None

    def loses_settle(self, entity: str) -> bool:
        return self._strike("lose settle", entity) is not None

    def is_busy(self, entity: str) -> bool:
        return self._strike("busy", entity) is not None

    def fails_settle(self, entity: str) -> str | None:
        """How this settlement is to fail, if it is."""
        switch = self._strike("fail settle", entity)
        return switch.how if switch else None

    def refuses_link(self, entity: str) -> bool:
        return self._strike("refuse link", entity) is not None

    def link_delay(self, entity: str) -> float:
        """How long this link has to wait."""
        switch = self._strike("delay link", entity)
        return switch.seconds if switch else 0.0

    def _strike(self, kind: str, entity: str) -> _Switch | None:
        if kind not in self._switches:
            return None
        with self._lock:
            for switch in self._switches.get(kind, ()):
                if switch.times == 0 or not entity.lower().endswith(switch.entity.lower()):
                    continue
                if switch.probability < 1.0 and self._random.random() >= switch.probability:
                    continue
                if switch.times is not None:
                    switch.times -= 1
                return switch
            return None
