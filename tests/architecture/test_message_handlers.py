"""Every message type has its place."""

from __future__ import annotations

from backend.messaging.contracts import MESSAGE_TYPES, Message, Queue
from worker.consumer import TAKEN_MAX
from worker.handlers.table import HANDLERS


def _type_of(kind: type[Message]) -> str:
    name: str = kind.model_fields["message_type"].default
    return name


def test_every_message_type_is_handled():
    assert {_type_of(kind) for kind in HANDLERS} == MESSAGE_TYPES


def test_the_message_types_are_exactly_the_models_there_are():
    assert {_type_of(kind) for kind in Message.__subclasses__()} == MESSAGE_TYPES


def test_every_queue_has_a_consumer_with_a_bound():
    assert set(TAKEN_MAX) == set(Queue)
    assert all(bound > 0 for bound in TAKEN_MAX.values())
