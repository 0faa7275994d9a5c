"""How deep a queue is, found out by looking: counting is a right that not every worker has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from azure.servicebus import ServiceBusMessageState, ServiceBusReceivedMessage

from backend.messaging.contracts import Queue
from backend.messaging.servicebus.browsing import Browsers
from backend.messaging.servicebus.messages import enqueued_at_of, tenant_id_of
from backend.messaging.transport import QueueDepth

# Beyond this a queue is "at least so deep"; who looks does not read it all.
COUNTED_MAX = 1000


async def depth_of(browsers: Browsers, queue: Queue, tenant_id: UUID | None) -> QueueDepth:
    """Of one tenant's messages when it is named. Raises Busy."""
    async with browsers.of(queue) as browser:
        waiting = await browser.look(after=0, messages_max=COUNTED_MAX)
    async with browsers.of_dead_letters(queue) as browser:
        dead = await browser.look(after=0, messages_max=COUNTED_MAX)
    is_exact = len(waiting) < COUNTED_MAX and len(dead) < COUNTED_MAX
    if tenant_id is not None:
        waiting = [message for message in waiting if tenant_id_of(message) == tenant_id]
        dead = [message for message in dead if tenant_id_of(message) == tenant_id]
    active = [one for one in waiting if one.state != ServiceBusMessageState.SCHEDULED]
    return QueueDepth(
        active=len(active),
        scheduled=len(waiting) - len(active),
        dead=len(dead),
        oldest_active_at=_oldest(active),
        oldest_dead_at=_oldest(dead),
        is_exact=is_exact,
    )


def _oldest(messages: Sequence[ServiceBusReceivedMessage]) -> datetime | None:
    return min((enqueued_at_of(message) for message in messages), default=None)
