"""Carrying out a job: hold the letter, send the copy or archive it, note that, then remove it.

Never the other way round: whatever breaks on the way, the message is in the queue, in the archive
or still among the dead letters, and the note says which. Whoever runs the job again goes on from
the notes: what was noted as sent is not sent a second time. A crash between sending and noting
sends again under the same id, which the queue may know, and whose envelope the handlers do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import structlog

from backend.actor import PlatformActor, platform_system
from backend.db.engine import Database
from backend.errors import Busy
from backend.ids import new_id
from backend.messaging.contracts import Queue
from backend.messaging.transport import HeldDeadLetter, LeaseLost, Outgoing, Transport
from backend.support.archive import add_to_archive
from backend.support.copies import copy_of
from backend.support.groups import forget_counts
from backend.support.models import MESSAGE_ID_LENGTH, ItemState, JobKind
from backend.support.progress import (
    HELD_TRIES_MAX,
    Job,
    LeaseTaken,
    Note,
    close_if_done,
    due_jobs,
    let_go,
    next_items,
    note,
    own_job,
    take_job,
)
from backend.unit_of_work import UnitOfWork, read, run

_JOBS_MAX = 20  # looked up at once
_HELD = "Another program holds this message just now; it is tried again."
_HELD_TOO_LONG = "Another program kept holding this message; it was left alone."
_ID_TOO_LONG = "The message's id is too long for a copy to have one that names it."
_NOT_REMOVED = "The original could not be removed yet; it is tried again."

log = structlog.get_logger(__name__)


def run_due_jobs(db: Database, transport: Transport, stop: Callable[[], bool]) -> int:
    """Run every job that is due and that nobody runs, until `stop()`; how many."""
    count = 0
    while not stop():
        due = read(db, platform_system("support"), due_jobs, rows_max=_JOBS_MAX)
        taken = 0
        for job_id in due:
            if stop():
                break
            taken += run_job(db, transport, job_id, stop=stop)
        count += taken
        if not taken:
            break
    return count


def run_job(
    db: Database,
    transport: Transport,
    job_id: UUID,
    *,
    token: UUID | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Go on with a job as far as it gets; False when it is done, or somebody else runs it.

    With `token` the caller holds its lease already. Trouble is noted, and the job is due again
    after a pause; nothing of it is raised.
    """
    actor = platform_system("support")
    try:
        if token is not None:
            job: Job | None = run(db, actor, own_job, job_id, token)
        else:
            job = run(db, actor, take_job, job_id, uuid4())
    except LeaseTaken:
        return False
    if job is None:
        return False
    try:
        problem = _Run(db, transport, actor, job, stop).work_off()
    except LeaseTaken:
        log.warning("dead_letter_job.lease_lost", job_id=str(job_id))
        return True
    except Busy as busy:
        log.warning("dead_letter_job.held_up", job_id=str(job_id), problem=busy.detail)
        problem = f"{busy.detail} It is tried again."
    except Exception as error:
        log.exception("dead_letter_job.failed", job_id=str(job_id))
        problem = f"{type(error).__name__}: {error}"
    finally:
        forget_counts(transport)
    run(db, actor, _end, job, problem)
    return True


def _end(work: UnitOfWork, job: Job, problem: str | None) -> None:
    if not close_if_done(work, job.id):
        let_go(work, job, problem)


class _Run:
    """One way through the open items of a job, each touched once."""

    def __init__(
        self,
        db: Database,
        transport: Transport,
        actor: PlatformActor,
        job: Job,
        stop: Callable[[], bool],
    ) -> None:
        self._db = db
        self._transport = transport
        self._actor = actor
        self._job = job
        self._stop = stop
        self._problem: str | None = None

    def work_off(self) -> str | None:
        """Chunk after chunk; what stood in the way of some items, if anything did."""
        after = 0
        while not self._stop():
            items = run(self._db, self._actor, next_items, self._job, after)
            if not items:
                break
            after = items[-1].row_id
            self._work_off_chunk(Queue(items[0].queue), items)
        return self._problem

    def _work_off_chunk(self, queue: Queue, items: Sequence[Any]) -> None:
        numbers = {one.sequence_number for one in items}
        mine, missing = [], []
        with self._transport.hold_dead_letters(queue, numbers) as held:
            for item in items:
                letter = held.get(item.sequence_number)
                if letter is None or letter.letter.message_id != item.message_id:
                    missing.append(item)
                else:
                    mine.append((item, letter))
            self._remove(self._begin(mine))
        self._explain(queue, missing)

    def _begin(
        self, mine: Sequence[tuple[Any, HeldDeadLetter]]
    ) -> list[tuple[Any, HeldDeadLetter]]:
        """Send or archive what is waiting, and note it; all that may be removed now."""
        waiting = [one for one in mine if one[0].state is ItemState.WAITING]
        begun = [one for one in mine if one[0].state is not ItemState.WAITING]
        if waiting and self._job.kind is JobKind.RESUBMIT:
            begun += self._send(waiting)
        elif waiting:
            run(self._db, self._actor, _archive, self._job, waiting)
            begun += [(_now(item, ItemState.ARCHIVED), letter) for item, letter in waiting]
        return begun

    def _send(
        self, waiting: Sequence[tuple[Any, HeldDeadLetter]]
    ) -> list[tuple[Any, HeldDeadLetter]]:
        now = self._db.clock()
        copies = [
            copy_of(held.letter, item.copy_message_id, edited=item.body, now=now)
            for item, held in waiting
        ]
        refusals, busy = self._hand_over(copies)
        notes, sent = [], []
        for (item, held), refusal in zip(waiting, refusals, strict=False):
            if refusal is None:
                notes.append(Note(item, ItemState.SENT))
                sent.append((_now(item, ItemState.SENT), held))
            else:
                notes.append(Note(item, ItemState.FAILED, refusal))
        run(self._db, self._actor, note, self._job, notes)
        if busy is not None:
            raise busy
        return sent

    def _hand_over(self, copies: Sequence[Outgoing]) -> tuple[list[str | None], Busy | None]:
        """For each copy None when the queue has it, else why not; fewer when it went away."""
        if all(len(copy.message_id) <= MESSAGE_ID_LENGTH for copy in copies):
            try:
                self._transport.send(copies)
            except Busy:
                raise
            except Exception as error:  # noqa: BLE001 (one bad message must not hold up the others)
                log.warning("dead_letter_job.batch_refused", problem=str(error), count=len(copies))
            else:
                return [None] * len(copies), None
        refusals: list[str | None] = []
        for copy in copies:
            if len(copy.message_id) > MESSAGE_ID_LENGTH:
                refusals.append(_ID_TOO_LONG)
                continue
            try:
                self._transport.send([copy])
            except Busy as busy:
                return refusals, busy
            except Exception as error:
                log.exception("dead_letter_job.copy_refused", message_id=copy.message_id)
                refusals.append(f"The queue refuses the copy: {error}")
            else:
                refusals.append(None)
        return refusals, None

    def _remove(self, begun: Sequence[tuple[Any, HeldDeadLetter]]) -> None:
        """Take out the originals of what is sent or archived, and note which are out."""
        notes = []
        busy: Busy | None = None
        for item, held in begun:
            if self._stop():
                break  # Whoever goes on finds them noted as begun.
            try:
                held.remove()
            except LeaseLost:
                notes.append(Note(item, item.state, _NOT_REMOVED))
                self._problem = _NOT_REMOVED
            except Busy as away:
                notes.append(Note(item, item.state, _NOT_REMOVED))
                busy = away
                break
            else:
                notes.append(Note(item, ItemState.DONE))
        if notes:
            run(self._db, self._actor, note, self._job, notes)
        if busy is not None:
            raise busy

    def _explain(self, queue: Queue, missing: Sequence[Any]) -> None:
        """Of letters that could not be held: gone, or in the hands of another program."""
        notes = []
        for item in missing:
            if not self._is_there(queue, item):
                # What is begun and no longer there was removed without a chance to note it.
                is_waiting = item.state is ItemState.WAITING
                notes.append(Note(item, ItemState.GONE if is_waiting else ItemState.DONE))
            elif item.state is ItemState.WAITING and item.tries + 1 >= HELD_TRIES_MAX:
                notes.append(Note(item, ItemState.FAILED, _HELD_TOO_LONG, tries=1))
            else:
                notes.append(Note(item, item.state, _HELD, tries=1))
                self._problem = _HELD
        if notes:
            run(self._db, self._actor, note, self._job, notes)

    def _is_there(self, queue: Queue, item: Any) -> bool:
        number = item.sequence_number
        found = self._transport.peek_dead_letters(queue, after=number - 1, messages_max=1)
        return any(
            one.sequence_number == number and one.message_id == item.message_id for one in found
        )


def _archive(work: UnitOfWork, job: Job, waiting: Sequence[tuple[Any, HeldDeadLetter]]) -> None:
    notes = []
    for item, held in waiting:
        archive_id = new_id()
        add_to_archive(work, archive_id, item, held.letter, who=job.who)
        notes.append(Note(item, ItemState.ARCHIVED, archive_id=archive_id))
    note(work, job, notes)


def _now(item: Any, state: ItemState) -> Any:
    return item._replace(state=state)
