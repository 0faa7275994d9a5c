"""Dead letters from the command line, as people and scripts run it."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from backend.actor import Actor, platform_system
from backend.db.engine import Database
from backend.messaging.embedded import EmbeddedTransport
from backend.support.acting import Matching, start_job
from backend.support.letters import LetterFilter
from backend.support.models import JobKind
from tests.command_line import CommandLine, Done
from tests.factories import actor_in, make_tenant
from tests.integration.support.letters import bury, dead, dunning, nobodys, take, waiting

QUEUE = "--queue dunning-evaluate"


@pytest.fixture
def queues(real_db: Database) -> EmbeddedTransport:
    return EmbeddedTransport(real_db)


@pytest.fixture
def mine(real_db: Database) -> Actor:
    return actor_in(make_tenant(real_db))


def sequence(command: CommandLine) -> int:
    number: int = command.json("dead-letters list")["items"][0]["sequence_number"]
    return number


def refused(done: Done) -> str:
    assert done.status == 1
    return done.says_in_one_line()


def test_letters_are_listed_grouped_and_shown(
    command: CommandLine, queues: EmbeddedTransport, mine: Actor
):
    assert command("dead-letters list").stdout == "No dead letters.\n"
    message = dunning(mine.tenant_id)
    bury(queues, message, nobodys("odd", b"not json"))

    page = command.json("dead-letters list --limit 1")
    assert [one["message_id"] for one in page["items"]] == [message.message_id]
    rest = command.json(f"dead-letters list --limit 1 --cursor {page['next_cursor']}")
    assert [one["message_id"] for one in rest["items"]] == ["odd"]
    assert message.message_id in command("dead-letters list").stdout
    own = command.json(f"dead-letters list --tenant {mine.tenant_id}")
    assert [one["message_id"] for one in own["items"]] == [message.message_id]
    assert command.json("dead-letters list --type '' --q JSON")["items"][0]["message_id"] == "odd"

    groups = command.json("dead-letters groups")
    assert [one["count"] for one in groups["groups"]] == [1, 1]
    assert groups["is_complete"] is True

    shown = command.json(f"dead-letters show {QUEUE} --sequence {sequence(command)}")
    assert orjson.loads(shown["body_text"]) == orjson.loads(message.body)
    text = command(f"dead-letters show {QUEUE} --sequence {sequence(command)}").stdout
    assert f"Message {message.message_id} of dunning-evaluate" in text


def test_one_letter_is_sent_again_and_one_discarded_and_restored(
    command: CommandLine, queues: EmbeddedTransport, mine: Actor
):
    first, second = dunning(mine.tenant_id), dunning(mine.tenant_id)
    bury(queues, first, second)

    done = command.json(f"dead-letters resubmit {QUEUE} --sequence {sequence(command)}")
    assert (done["state"], done["copy_message_id"]) == ("done", f"{first.message_id}:retry-1")
    assert done["text"] == f"Sent again as {first.message_id}:retry-1."
    told = refused(command(f"dead-letters resubmit {QUEUE} --sequence 1"))
    assert told.startswith("error: Already handled by cli at ")

    archive_id = command.json(f"dead-letters discard {QUEUE} --sequence {sequence(command)}")[
        "archive_id"
    ]
    assert dead(queues) == []
    assert command.json("dead-letters archive")["items"][0]["archive_id"] == archive_id
    kept = command.json(f"dead-letters archive --id {archive_id}")
    assert orjson.loads(kept["body_text"]) == orjson.loads(second.body)
    assert "Sent again as" in command(f"dead-letters restore --id {archive_id}").stdout
    assert "Already restored by cli" in refused(command(f"dead-letters restore --id {archive_id}"))
    assert waiting(queues) == 2


def test_all_that_match_need_a_count_that_is_right(
    command: CommandLine, queues: EmbeddedTransport, mine: Actor
):
    bury(queues, *(dunning(mine.tenant_id) for _ in range(3)), nobodys())

    told = refused(command("dead-letters discard --all --type dunning.evaluate"))
    assert told == "error: --all needs --expect COUNT; there are 3 now"
    told = refused(command("dead-letters discard --all --type dunning.evaluate --expect 4"))
    assert told == "error: There are 3 messages now, not 4; nothing was done."
    job = command.json("dead-letters discard --all --type dunning.evaluate --expect 3")
    assert (job["state"], job["counts"]) == ("done", {"done": 3})
    assert dead(queues) == ["m-1"]

    jobs = command.json("dead-letters jobs")["items"]
    assert [one["job_id"] for one in jobs] == [job["job_id"]]
    items = command.json(f"dead-letters jobs --id {job['job_id']}")["items"]
    assert {one["text"] for one in items} == {"Discarded; the archive has it."}
    assert refused(command(f"dead-letters cancel --id {job['job_id']}")).startswith(
        "error: This job ended at"
    )


def test_a_purge_wants_the_queues_name_again(
    command: CommandLine, queues: EmbeddedTransport, mine: Actor
):
    bury(queues, dunning(mine.tenant_id), nobodys())

    told = refused(command(f"dead-letters purge {QUEUE} --confirm dunning"))
    assert told == "error: queue_typed: must be dunning-evaluate"
    own = command.json(
        f"dead-letters purge {QUEUE} --confirm dunning-evaluate --tenant {mine.tenant_id}"
    )
    assert own["item_count"] == 1
    assert command.json(f"dead-letters purge {QUEUE} --confirm dunning-evaluate")["item_count"] == 1
    assert dead(queues) == []
    again = refused(command(f"dead-letters purge {QUEUE} --confirm dunning-evaluate"))
    assert again == "error: There is nothing to do."


def test_a_letter_is_edited_from_a_file_or_from_standard_input(
    command: CommandLine, queues: EmbeddedTransport, mine: Actor, tmp_path: Path
):
    message = dunning(mine.tenant_id)
    bury(queues, message)
    body = orjson.loads(message.body)
    body["payload"]["as_of"] = "2026-03-01"
    (tmp_path / "body.json").write_text(json.dumps(body))
    (tmp_path / "broken.json").write_text("{\n  oops")
    one = f"dead-letters edit {QUEUE} --sequence {sequence(command)}"

    shown = command(f"{one} --file body.json --check")
    assert (shown.status, '+     "as_of": "2026-03-01",' in shown.stdout) == (0, True)
    broken = command(f"{one} --file broken.json --check")
    assert (broken.status, "Problem: line 2: " in broken.stdout) == (1, True)
    assert "body: line 2: " in refused(command(f"{one} --file broken.json"))
    assert "nowhere.json cannot be read" in refused(command(f"{one} --file nowhere.json"))

    done = command.json(f"{one} --file -", stdin=json.dumps(body))
    assert done["state"] == "done"
    (delivery,) = take(queues)
    assert orjson.loads(delivery.body)["payload"]["as_of"] == "2026-03-01"


def test_letters_are_written_out_and_notes_kept(
    command: CommandLine, queues: EmbeddedTransport, mine: Actor, tmp_path: Path
):
    bury(queues, dunning(mine.tenant_id), nobodys("odd", "grüße".encode()))

    lines = command("dead-letters export").stdout.splitlines()
    assert [orjson.loads(line)["body"] for line in lines][1] == "grüße"
    command(f"dead-letters export --output out.jsonl --tenant {mine.tenant_id}")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1

    group = f"{QUEUE} --reason refused --type dunning.evaluate"
    assert command.json(f"dead-letters note {group} --text 'Known; mended soon.'")["note"]
    assert "(Known; mended soon.)" in command("dead-letters groups").stdout


def test_a_waiting_job_can_be_cancelled(
    command: CommandLine, real_db: Database, queues: EmbeddedTransport, mine: Actor
):
    bury(queues, dunning(mine.tenant_id))
    job = start_job(
        real_db,
        queues,
        platform_system("root"),
        JobKind.RESUBMIT,
        Matching(LetterFilter()),
        expected_count=1,
    )

    told = command.json(f"dead-letters cancel --id {job.job_id}")

    assert (told["state"], told["cancelled_by"]) == ("cancelled", "cli")
    assert len(dead(queues)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "resubmit",
        "resubmit --sequence 1 --all",
        "resubmit --sequence x --queue email-send",
        "list --queue nowhere",
        "list --limit 101",
        "restore --id x",
        "purge --queue email-send",
        "show --queue email-send",
    ],
)
def test_a_wrong_call_is_answered_with_one_line(command: CommandLine, line: str):
    done = command(f"dead-letters {line}")
    assert done.status == 2
    assert done.says_in_one_line()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("resubmit --sequence 1", "--sequence needs --queue"),
        ("show --queue email-send --sequence 1", "There is no such dead letter."),
        (
            "list --tenant 00000000-0000-4000-8000-000000000000",
            "There is no such tenant.",
        ),
        ("jobs --id 00000000-0000-4000-8000-000000000000", "There is no such job."),
    ],
)
def test_what_is_not_there_is_told_in_one_line(command: CommandLine, line: str, told: str):
    assert refused(command(f"dead-letters {line}")) == f"error: {told}"
