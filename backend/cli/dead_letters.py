"""Commands for dead letters: what the operator's page does, for scripts and for one's own terminal.

Without `--tenant` they act for the platform, with it inside one tenant. What is begun here goes on
in a worker when the queues are away or the terminal is closed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backend.actor import Actor, PlatformActor
from backend.bootstrap import Services
from backend.cli.command import (
    CommandFailed,
    add_command,
    add_group,
    answer,
    as_uuid,
    inside,
    platform,
    services,
    start,
    whole_number,
)
from backend.messaging.contracts import Queue
from backend.paging import LIMIT_MAX
from backend.support import archive
from backend.support.acting import Matching, act_now, plan_job, run_here
from backend.support.editing import check_edit
from backend.support.export import export_letters
from backend.support.groups import group_letters, note_group
from backend.support.items import ItemView
from backend.support.jobs import JobView, cancel_job, get_job, list_items, list_jobs
from backend.support.letters import LIMIT_DEFAULT, LetterFilter, get_letter, list_letters
from backend.support.models import ItemState, JobKind
from backend.unit_of_work import read, run

_SEQUENCE_MAX = 2**63 - 1
_QUEUES = [queue.value for queue in Queue]


def add_commands(commands: Any) -> None:
    """Add `dead-letters`."""
    group = add_group(commands, "dead-letters", "see messages that failed, and deal with them")
    _narrowed(_paged(_command(group, "list", _list, "list dead letters, oldest first")))
    _command(group, "groups", _groups, "count them by queue, reason and type")
    _one(_command(group, "show", _show, "open one, with its body and its failures"))
    for name, run_it, what in (
        ("resubmit", _resubmit, "send one again, or all that match"),
        ("discard", _discard, "put one into the archive, or all that match"),
    ):
        _one_or_all(_command(group, name, run_it, what))
    edit = _one(_command(group, "edit", _edit, "send one again with another body"))
    edit.add_argument("--file", required=True, help="where the new body is; - reads it from here")
    edit.add_argument("--check", action="store_true", help="only show what changes, and problems")
    purge = _command(group, "purge", _purge, "put all dead letters of a queue into the archive")
    purge.add_argument("--queue", required=True, choices=_QUEUES)
    purge.add_argument("--confirm", required=True, metavar="QUEUE", help="the queue's name again")
    _expecting(purge)
    kept = _paged(_command(group, "archive", _archive, "list what was discarded"))
    kept.add_argument("--id", type=as_uuid, help="open one, with its body")
    restore = _command(group, "restore", _restore, "send one out of the archive to its queue")
    restore.add_argument("--id", required=True, type=as_uuid, help="the archived message's id")
    export = _narrowed(
        _command(group, "export", _export, "write them out, one JSON object a line", json=False)
    )
    export.add_argument("--output", help="a file to write; default: standard output")
    note = _command(group, "note", _note, "write down what is known about a group")
    note.add_argument("--queue", required=True, choices=_QUEUES)
    note.add_argument("--reason", default="", help="the group's reason")
    note.add_argument("--type", default="", help="the group's message type")
    note.add_argument("--text", required=True, help="the note; an empty one forgets it")
    jobs = _paged(_command(group, "jobs", _jobs, "list what was done, and by whom"))
    jobs.add_argument("--id", type=as_uuid, help="one job, with what became of each message")
    cancel = _command(group, "cancel", _cancel, "let a job do no more than it has begun")
    cancel.add_argument("--id", required=True, type=as_uuid, help="the job's id")


def _command(group: Any, *names: Any, json: bool = True) -> argparse.ArgumentParser:
    parser = add_command(group, *names, json=json)
    parser.add_argument("--tenant", type=as_uuid, help="act inside this tenant; default: platform")
    return parser


def _narrowed(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--queue", choices=_QUEUES)
    parser.add_argument("--reason", help="only with this reason; an empty one: those without")
    parser.add_argument("--type", help="only of this message type; an empty one: unreadable ones")
    parser.add_argument("--q", metavar="TEXT", help="only with this in ids, reason or body")
    return parser


def _paged(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--limit", type=whole_number(1, LIMIT_MAX), default=LIMIT_DEFAULT)
    parser.add_argument("--cursor", help="where the page before ended")
    return parser


def _one(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--queue", required=True, choices=_QUEUES)
    parser.add_argument("--sequence", required=True, type=whole_number(0, _SEQUENCE_MAX))
    return parser


def _one_or_all(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--sequence", type=whole_number(0, _SEQUENCE_MAX), help="one, of --queue")
    which.add_argument("--all", action="store_true", help="all that match; needs --expect")
    _expecting(_narrowed(parser))


def _expecting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expect",
        type=whole_number(1, 2**31 - 1),
        metavar="COUNT",
        help="how many there must be; otherwise nothing is done",
    )


@contextlib.contextmanager
def _acting(arguments: argparse.Namespace) -> Iterator[tuple[Services, Actor | PlatformActor]]:
    with services(start()) as opened:
        tenant_id = arguments.tenant
        actor = platform() if tenant_id is None else inside(tenant_id)
        if isinstance(actor, Actor):
            # Refuses an unknown tenant.
            read(opened.db, actor, lambda reader: reader.tenant)
        yield opened, actor


def _filter(arguments: argparse.Namespace) -> LetterFilter:
    return LetterFilter(
        queue=Queue(arguments.queue) if arguments.queue else None,
        reason=arguments.reason,
        message_type=arguments.type,
        q=arguments.q,
    )


def _list(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        page = list_letters(
            opened.db,
            opened.transport,
            actor,
            _filter(arguments),
            limit=arguments.limit,
            cursor=arguments.cursor,
        )
    lines = [
        f"{one.queue.value} {one.sequence_number}  {one.at:%Y-%m-%d %H:%M:%S}  "
        f"{one.reason or '-'}  {one.message_type or '-'}  {one.message_id}"
        for one in page.items
    ] or ["No dead letters."]
    if page.next_cursor is not None:
        lines.append(f"More: --cursor {page.next_cursor}")
    items = [asdict(one) for one in page.items]
    answer(arguments, "\n".join(lines), items=items, next_cursor=page.next_cursor)
    return 0


def _groups(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        found = group_letters(opened.db, opened.transport, actor)
    lines = [
        f"{one.count:>6}  {one.queue.value}  {one.reason or '-'}  {one.message_type or '-'}  "
        f"{one.first_at:%Y-%m-%d %H:%M} to {one.last_at:%Y-%m-%d %H:%M}"
        + (f"  ({one.note})" if one.note else "")
        for one in found.groups
    ] or ["No dead letters."]
    if not found.is_complete:
        lines.append("There are more than were counted.")
    answer(arguments, "\n".join(lines), **asdict(found))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        found = get_letter(
            opened.db, opened.transport, actor, Queue(arguments.queue), arguments.sequence
        )
    one = found.summary
    lines = [
        f"Message {one.message_id} of {one.queue.value}, dead letter {one.sequence_number}",
        f"Type {one.message_type or '-'}, tenant {one.tenant_id or '-'}",
        f"{one.reason or '-'}: {one.description or '-'}",
        f"Deliveries: {one.delivery_count}, queued at {one.enqueued_at:%Y-%m-%d %H:%M:%S} UTC",
        *(f"Unreadable: {problem}" for problem in [found.problem] if problem),
        *(f"{kind}: {value}" for kind, value in found.links),
        *(f"Failed at {each.at:%Y-%m-%d %H:%M:%S}: {each.problem}" for each in found.attempts),
        *(f"{each.who} at {each.changed_at:%H:%M:%S}: {each.text}" for each in found.history),
        found.body_text,
    ]
    answer(arguments, "\n".join(lines), **asdict(found))
    return 0


def _resubmit(arguments: argparse.Namespace) -> int:
    return _act(arguments, JobKind.RESUBMIT)


def _discard(arguments: argparse.Namespace) -> int:
    return _act(arguments, JobKind.DISCARD)


def _act(arguments: argparse.Namespace, kind: JobKind, *, body: str | None = None) -> int:
    if getattr(arguments, "all", False):
        return _act_on_all(arguments, kind, _filter(arguments))
    if arguments.queue is None:
        raise CommandFailed("--sequence needs --queue")
    queue = Queue(arguments.queue)
    with _acting(arguments) as (opened, actor):
        found = get_letter(opened.db, opened.transport, actor, queue, arguments.sequence)
        item = act_now(opened.db, opened.transport, actor, kind, found.summary.key, body=body)
    return _tell_item(arguments, item)


def _act_on_all(
    arguments: argparse.Namespace,
    kind: JobKind,
    wanted: LetterFilter,
    *,
    queue_typed: str | None = None,
) -> int:
    scope = Matching(wanted)
    with _acting(arguments) as (opened, actor):
        expected = arguments.expect
        if expected is None:
            expected = plan_job(opened.db, opened.transport, actor, kind, scope).count
            if kind is not JobKind.PURGE:
                raise CommandFailed(f"--all needs --expect COUNT; there are {expected} now")
        job = run_here(
            opened.db,
            opened.transport,
            actor,
            kind,
            scope,
            expected_count=expected,
            queue_typed=queue_typed,
        )
    return _tell_job(arguments, job)


def _purge(arguments: argparse.Namespace) -> int:
    wanted = LetterFilter(queue=Queue(arguments.queue))
    return _act_on_all(arguments, JobKind.PURGE, wanted, queue_typed=arguments.confirm)


def _edit(arguments: argparse.Namespace) -> int:
    body = _text_from(arguments.file)
    if not arguments.check:
        return _act(arguments, JobKind.RESUBMIT, body=body)
    with _acting(arguments) as (opened, actor):
        found = get_letter(
            opened.db, opened.transport, actor, Queue(arguments.queue), arguments.sequence
        )
        check = check_edit(actor, found, body)
    lines = [f"{line.sign} {line.text}" for line in check.diff]
    for one in check.problems:
        where = f"line {one.line}: " if one.line is not None else ""
        lines.append(f"Problem: {where}{f'{one.field}: ' if one.field else ''}{one.message}")
    answer(arguments, "\n".join(lines), **asdict(check))
    return 1 if check.problems else 0


def _archive(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        if arguments.id is not None:
            one = read(opened.db, actor, archive.get_archived, arguments.id)
            answer(arguments, f"{_archived_line(one.head)}\n{one.body_text}", **asdict(one))
            return 0
        page = read(
            opened.db,
            actor,
            archive.list_archive,
            limit=arguments.limit,
            cursor=arguments.cursor,
        )
    lines = [_archived_line(one) for one in page.items] or ["The archive is empty."]
    items = [asdict(one) for one in page.items]
    answer(arguments, "\n".join(lines), items=items, next_cursor=page.next_cursor)
    return 0


def _archived_line(one: archive.ArchivedHead) -> str:
    line = (
        f"{one.archive_id}  {one.queue.value}  {one.message_type or '-'}  {one.message_id}  "
        f"discarded by {one.archived_by} at {one.archived_at:%Y-%m-%d %H:%M:%S}"
    )
    if one.restored_at is not None:
        line += f", restored by {one.restored_by} at {one.restored_at:%Y-%m-%d %H:%M:%S}"
    return line


def _restore(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        head = archive.restore(opened.db, opened.transport, actor, arguments.id).head
    answer(arguments, f"Sent again as {head.copy_message_id}.", **asdict(head))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor), contextlib.ExitStack() as stack:
        lines = export_letters(opened.db, opened.transport, actor, _filter(arguments))
        to = sys.stdout
        if arguments.output is not None:
            to = stack.enter_context(Path(arguments.output).open("w", encoding="utf-8"))
        for line in lines:
            to.write(line.decode())
    return 0


def _note(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        run(
            opened.db,
            actor,
            note_group,
            Queue(arguments.queue),
            arguments.reason,
            arguments.type,
            arguments.text,
        )
    answer(arguments, "Noted.", queue=arguments.queue, note=arguments.text.strip() or None)
    return 0


def _jobs(arguments: argparse.Namespace) -> int:
    page: dict[str, Any] = {"limit": arguments.limit, "cursor": arguments.cursor}
    with _acting(arguments) as (opened, actor):
        if arguments.id is None:
            found = read(opened.db, actor, list_jobs, **page)
            lines = [_job_line(job) for job in found.items] or ["Nothing was done yet."]
            items = [asdict(job) for job in found.items]
            answer(arguments, "\n".join(lines), items=items, next_cursor=found.next_cursor)
            return 0
        job = read(opened.db, actor, get_job, arguments.id)
        of_job = read(opened.db, actor, list_items, arguments.id, **page)
    told = [{**asdict(item), "text": item.text} for item in of_job.items]
    lines = [_job_line(job), *(f"  {item.message_id}: {item.text}" for item in of_job.items)]
    answer(
        arguments,
        "\n".join(lines),
        **asdict(job),
        items=told,
        next_cursor=of_job.next_cursor,
    )
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    with _acting(arguments) as (opened, actor):
        job = run(opened.db, actor, cancel_job, arguments.id)
    answer(arguments, _job_line(job), **asdict(job))
    return 0


def _tell_item(arguments: argparse.Namespace, item: ItemView) -> int:
    answer(arguments, item.text, **asdict(item), text=item.text)
    return 0 if item.state is ItemState.DONE else 1


def _tell_job(arguments: argparse.Namespace, job: JobView) -> int:
    answer(arguments, _job_line(job), **asdict(job))
    return 0 if job.counts.get(ItemState.DONE, 0) == job.item_count else 1


def _job_line(job: JobView) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(job.counts.items()))
    line = f"{job.job_id}  {job.kind} {job.scope}, by {job.who}: {job.state}, {counts}"
    return f"{line}. {job.problem}" if job.problem else line


def _text_from(place: str) -> str:
    if place == "-":
        return sys.stdin.read()
    try:
        return Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{place} cannot be read: {error}") from error
