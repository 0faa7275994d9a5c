"""Dead letters as a file: one JSON object a line, the body as it lies in the queue."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from backend.db.engine import Database
from backend.ids import new_id
from backend.messaging.transport import Transport
from backend.support.access import AnyActor, require
from backend.support.contents import body_text
from backend.support.letters import LetterFilter, Seen, matching
from backend.unit_of_work import UnitOfWork, run


def export_letters(
    db: Database,
    transport: Transport,
    actor: AnyActor,
    filter: LetterFilter,  # noqa: A002 (the word that fits)
) -> Iterator[bytes]:
    """The lines of all letters that match, of each queue as many as one looks through.

    That they were taken out is recorded before the first line. Raises NotAllowed; the lines
    raise Busy.
    """
    require(actor)
    run(db, actor, _record, filter)
    return (_line(seen) for seen in matching(transport, actor, filter) if seen is not None)


def _record(work: UnitOfWork, wanted: LetterFilter) -> None:
    after = {name: getattr(wanted, name) for name in wanted.__dataclass_fields__}
    work.record(
        "dead_letters.exported",
        "dead_letter_export",
        new_id(),
        after={name: value for name, value in after.items() if value is not None},
    )


def _line(seen: Seen) -> bytes:
    one, letter = seen.summary, seen.letter
    told = {
        "queue": one.queue,
        "sequence_number": one.sequence_number,
        "message_id": one.message_id,
        "original_message_id": one.original_message_id,
        "message_type": one.message_type,
        "tenant_id": one.tenant_id,
        "correlation_id": one.correlation_id,
        "reason": one.reason,
        "description": one.description,
        "delivery_count": one.delivery_count,
        "enqueued_at": one.enqueued_at,
        "dead_at": one.dead_at,
        "properties": dict(letter.properties),
        # The text and not its JSON: what cannot be read is what somebody wants to look at.
        "body": body_text(letter.body),
    }
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)
