"""Sending: in order within a queue, in batches, with one sender for each queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import MessageSizeExceededError

from backend.messaging.contracts import Queue
from backend.messaging.servicebus.links import Link
from backend.messaging.servicebus.messages import to_be_sent
from backend.messaging.servicebus.pace import Pace
from backend.messaging.transport import MessageTooLarge, Outgoing

# Scheduled messages travel in one request, which may be as large as one message.
_SCHEDULED_BYTES_MAX = 192 * 1024
_SCHEDULED_MAX = 100


class Sender:
    """Sends to one queue, one caller at a time: the SDK's sender is made for that."""

    def __init__(self, client: ServiceBusClient, queue: Queue, pace: Pace) -> None:
        self.link: Link[ServiceBusSender] = Link(
            queue.value,
            lambda: client.get_queue_sender(queue.value, socket_timeout=pace.read),
            pace,
        )
        self.used_at = 0.0
        self._pace = pace
        self._turn = asyncio.Lock()

    @property
    def is_idle(self) -> bool:
        """Whether it has an open connection that nobody has used for long."""
        since = asyncio.get_running_loop().time() - self.used_at
        return self.link.is_open and not self._turn.locked() and since > self._pace.sender_idle

    async def send(self, messages: Sequence[Outgoing], *, now: datetime) -> None:
        """Queue them; those that are due later (than `now`, UTC) are scheduled."""
        due = [to_be_sent(one) for one in messages if one.available_at <= now]
        later = [one for one in messages if one.available_at > now]
        async with self._turn:
            self.link.renew_if_worn()
            while due:
                sent = await self.link.use(lambda sender: _send_some(sender, due))
                del due[:sent]
            for at, together in _scheduled_together(later):
                await self.link.use(
                    lambda sender, at=at, together=together: sender.schedule_messages(  # type: ignore[misc]
                        [to_be_sent(one) for one in together], at, timeout=self._pace.attempt
                    ),
                    is_request=True,
                )
            self.used_at = asyncio.get_running_loop().time()


async def _send_some(sender: ServiceBusSender, messages: Sequence[ServiceBusMessage]) -> int:
    """Send as many as one batch holds; how many."""
    batch = await sender.create_message_batch()
    count = 0
    for message in messages:
        try:
            batch.add_message(message)
        except MessageSizeExceededError as error:
            if count == 0:
                raise MessageTooLarge(f"larger than {batch.max_size_in_bytes} bytes") from error
            break
        count += 1
    await sender.send_messages(batch)
    return count


def _scheduled_together(
    messages: Sequence[Outgoing],
) -> Iterator[tuple[datetime, Sequence[Outgoing]]]:
    """Groups that are due at the same time and fit into one request."""
    group: list[Outgoing] = []
    size = 0
    for message in sorted(messages, key=lambda one: one.available_at):
        size += len(message.body)
        if group and (
            group[0].available_at != message.available_at
            or size > _SCHEDULED_BYTES_MAX
            or len(group) == _SCHEDULED_MAX
        ):
            yield group[0].available_at, group
            group, size = [], len(message.body)
        group.append(message)
    if group:
        yield group[0].available_at, group
