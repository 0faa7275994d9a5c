"""webhook.received and webhook.replay_requested: bring a stored event to the books.

A refusal by the rules is kept with the event, and the message is done: a person mends the cause
and replays the event. What is busy leaves as an error and comes again.
"""

from __future__ import annotations

from uuid import UUID

import structlog

from backend.actor import Actor
from backend.bootstrap import Services
from backend.messaging.contracts import WebhookReceived, WebhookReplayRequested
from backend.messaging.envelope import Envelope
from backend.webhooks.processing import process_event

log = structlog.get_logger(__name__)


def receive(services: Services, actor: Actor, envelope: Envelope, message: WebhookReceived) -> None:
    """Process an event that has come."""
    _process(services, actor, envelope, message.webhook_event_id, is_replay=False)


def replay(
    services: Services, actor: Actor, envelope: Envelope, message: WebhookReplayRequested
) -> None:
    """Process an event again, because somebody asked for it."""
    _process(services, actor, envelope, message.webhook_event_id, is_replay=True)


def _process(
    services: Services, actor: Actor, envelope: Envelope, event_id: UUID, *, is_replay: bool
) -> None:
    status = process_event(services.db, actor, event_id, envelope.message_id, is_replay=is_replay)
    if status is not None:
        log.info("webhook.processed", webhook_event_id=str(event_id), status=status.value)
