"""The worker's support part: bulk acts are done in the background, whoever asked for them."""

from __future__ import annotations

import threading

from backend.actor import Actor
from backend.bootstrap import Services
from backend.db.engine import Database
from backend.support.acting import Matching, start_job
from backend.support.jobs import get_job
from backend.support.letters import LetterFilter
from backend.support.models import ItemState, JobKind, JobState
from backend.unit_of_work import read
from tests.integration.support.letters import DUNNING, Faulty, bury, dead, dunning, nobodys
from tests.queues import in_background
from worker.handlers.table import HANDLERS
from worker.process import Worker
from worker.support import Support

ALL = Matching(LetterFilter(queue=DUNNING))


def test_a_worker_does_what_was_asked_for(
    db: Database, services: Services, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, *(dunning(actor.tenant_id) for _ in range(60)))
    worker = Worker(services, HANDLERS)
    job = start_job(db, transport, dana, JobKind.DISCARD, ALL, expected_count=60)
    done = threading.Event()

    with in_background(worker.run, worker.stop):
        for _ in range(200):
            if read(db, dana, get_job, job.job_id).state is JobState.DONE:
                done.set()
                break
            worker.stop.wait(0.1)

    assert done.is_set()
    assert dead(transport) == []


def test_draining_does_it_too_and_handles_what_was_sent_again(
    db: Database, services: Services, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, dunning(actor.tenant_id), nobodys())
    job = start_job(db, transport, dana, JobKind.RESUBMIT, ALL, expected_count=1)

    assert Worker(services, HANDLERS).run_once() == 1, "the copy"

    assert read(db, dana, get_job, job.job_id).counts == {ItemState.DONE: 1}
    assert dead(transport) == ["m-1"]


def test_a_stopped_part_starts_nothing_more(
    db: Database, services: Services, transport: Faulty, actor: Actor, dana: Actor
):
    bury(transport, dunning(actor.tenant_id))
    job = start_job(db, transport, dana, JobKind.RESUBMIT, ALL, expected_count=1)
    stop = threading.Event()
    part = Support(services, stop)
    stop.set()

    part.step()

    assert read(db, dana, get_job, job.job_id).counts == {ItemState.WAITING: 1}
