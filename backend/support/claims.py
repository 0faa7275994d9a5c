"""Which letters are there and free to act on, and who is at work on the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NoReturn

import sqlalchemy as sa

from backend.errors import StateConflict
from backend.messaging.contracts import Queue
from backend.messaging.transport import Transport
from backend.support.access import AnyActor, Visible, may_see
from backend.support.items import find_last_item, moment
from backend.support.letters import LetterKey, LetterSummary, gone, look_at
from backend.support.models import ITEMS, ItemState, JobKind
from backend.unit_of_work import Reader

_AHEAD = 100

_I = ITEMS.c
_CLAIMS = Visible(
    sa.select(_I.queue, _I.sequence_number, _I.message_id, _I.who, _I.kind, _I.claimed_at).where(
        _I.finished_at.is_(None),
        _I.queue == sa.bindparam("queue"),
        _I.sequence_number >= sa.bindparam("first"),
        _I.sequence_number <= sa.bindparam("last"),
    ),
    _I.tenant_id,
)


def look_up(
    transport: Transport, actor: AnyActor, keys: Iterable[LetterKey]
) -> tuple[list[LetterSummary], list[LetterKey]]:
    """Letters by their keys, in order, with few peeks where they lie close together."""
    wanted: dict[Queue, dict[int, LetterKey]] = {}
    for key in keys:
        wanted.setdefault(key.queue, {})[key.sequence_number] = key
    found, missing = [], []
    for queue, by_number in wanted.items():
        seen: dict[LetterKey, LetterSummary] = {}
        numbers = sorted(by_number)
        while numbers:
            ahead = min(numbers[-1] - numbers[0] + 1, _AHEAD)
            letters = transport.peek_dead_letters(queue, after=numbers[0] - 1, messages_max=ahead)
            for letter in letters:
                one = look_at(letter).summary
                if by_number.get(one.sequence_number) == one.key and may_see(actor, one.tenant_id):
                    seen[one.key] = one
            reached = letters[-1].sequence_number if letters else numbers[-1]
            numbers = [number for number in numbers if number > reached]
        found += [seen[key] for _, key in sorted(by_number.items()) if key in seen]
        missing += [key for _, key in sorted(by_number.items()) if key not in seen]
    return found, missing


def free_ones(
    reader: Reader, found: Sequence[LetterSummary], missing: Sequence[LetterKey]
) -> tuple[list[LetterSummary], list[tuple[str, int]]]:
    """Those that nobody has claimed, and of the others why they are left out."""
    claims = find_claims(reader, [one.key for one in found])
    reasons: Counter[str] = Counter()
    free = []
    for one in found:
        claim = claims.get(one.key)
        if claim is None:
            free.append(one)
        else:
            since = moment(claim.claimed_at, reader.now)
            reasons[f"in the hands of {claim.who} since {since}"] += 1
    for key in missing:
        item = find_last_item(reader, key.queue, key.sequence_number, key.message_id)
        if item is not None and item.state is ItemState.DONE:
            at = moment(item.changed_at, reader.now)
            reasons[f"already handled by {item.who} at {at}"] += 1
        else:
            reasons["no longer among the dead letters"] += 1
    return free, list(reasons.items())


def find_claims(reader: Reader, keys: Iterable[LetterKey]) -> dict[LetterKey, Any]:
    """Who is at work on these letters, and on others between them."""
    numbers: dict[Queue, list[int]] = {}
    for key in keys:
        numbers.setdefault(key.queue, []).append(key.sequence_number)
    return {
        LetterKey(queue, row.sequence_number, row.message_id): row
        for queue, of_queue in numbers.items()
        for row in _CLAIMS.rows(reader, queue=queue.value, first=min(of_queue), last=max(of_queue))
    }


def refuse(reader: Reader, key: LetterKey) -> NoReturn:
    """Raise what is to be told of a single letter that cannot be acted on."""
    claim = find_claims(reader, [key]).get(key)
    if claim is not None:
        raise _claimed(claim, reader.now)
    raise gone(reader, key.queue, key.sequence_number, key.message_id)


def require_untouched(
    reader: Reader, key: LetterKey, claims: Sequence[Any], *, seen_at: datetime
) -> None:
    """Raise what is to be told of a letter that somebody was quicker with since it was seen."""
    if claims:
        raise _claimed(claims[0], reader.now)
    last = find_last_item(reader, key.queue, key.sequence_number, key.message_id)
    if last is not None and last.state is ItemState.DONE and last.changed_at >= seen_at:
        raise gone(reader, key.queue, key.sequence_number, key.message_id)


def _claimed(claim: Any, now: datetime) -> StateConflict:
    doing = {JobKind.RESUBMIT: "sending it again"}.get(claim.kind, "discarding it")
    return StateConflict(
        f"{claim.who} has been {doing} since {moment(claim.claimed_at, now)}.",
        code="already_claimed",
        who=claim.who,
        at=claim.claimed_at,
    )
