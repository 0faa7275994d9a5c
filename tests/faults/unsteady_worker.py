"""A worker whose handlers fail now and then: `python -m tests.faults.unsteady_worker 0.05`.

Half of the failures come before a handler has done anything, half after its work is durable: the
message is put back either way, and must have its effect once.
"""

from __future__ import annotations

import random
import sys

import worker.__main__ as program
from backend.actor import Actor
from backend.bootstrap import Services
from backend.errors import Busy
from backend.messaging.contracts import Message
from backend.messaging.envelope import Envelope
from worker.dispatch import Handler
from worker.handlers.table import HANDLERS


def unsteady(handler: Handler, probability: float) -> Handler:
    """The handler, failing with a probability."""

    def handle(services: Services, actor: Actor, envelope: Envelope, message: Message) -> None:
        chance = random.random()  # noqa: S311
        if chance < probability / 2:
            raise Busy("Not in the mood yet.")
        handler(services, actor, envelope, message)
        if chance < probability:
            raise Busy("Done, and yet not content.")

    return handle


if __name__ == "__main__":
    probability = float(sys.argv[1])
    program.HANDLERS = {  # type: ignore[attr-defined]
        kind: unsteady(handler, probability) for kind, handler in HANDLERS.items()
    }
    sys.exit(program.main([]))
