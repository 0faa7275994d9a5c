"""What happens by the clock: the overdue sweep, each tenant's daily dunning, the clean-up.

Any number of workers may run it. The sweep changes what is still to be changed, the daily dunning
is claimed per tenant and day in the transaction that queues it, and deleting twice deletes once.
The intervals are measured on a clock that nobody can set; the days are the tenants' own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from backend import idempotency
from backend.actor import Actor, platform_system
from backend.bootstrap import Services
from backend.dunning.promises import settle_promises, tenants_with_promises_to_settle
from backend.dunning.runs import DAILY_RUN
from backend.dunning.schedule import is_window_open
from backend.health.heartbeats import forget_gone_workers
from backend.identity.account_emails import forget_old_account_emails
from backend.identity.sessions import forget_expired_sessions
from backend.identity.sign_in_steps import forget_old_steps
from backend.identity.throttle import forget_old_failures
from backend.ids import new_id
from backend.invoices.overdue import sweep_overdue, tenants_to_sweep
from backend.messaging.attempts import forget_failed_deliveries
from backend.messaging.contracts import EvaluateDunning
from backend.messaging.queue_table import forget_done
from backend.scheduling import list_active_tenants, start_once
from backend.unit_of_work import UnitOfWork, read, run

# A tenant's midnight, or the opening of its window, is noticed within this time.
TICK_SECONDS = 30.0
CLEAN_UP_SECONDS = 3600.0
DONE_MESSAGES_KEPT = timedelta(days=30)
FAILED_DELIVERIES_KEPT = timedelta(days=90)
# Deleting shares the one writer with everybody: in small portions.
_DELETED_AT_ONCE = 500

_WHO = "scheduler"

log = structlog.get_logger(__name__)


class Scheduler:
    """Runs the periodic jobs that are due."""

    def __init__(self, services: Services, stop: threading.Event) -> None:
        self._db = services.db
        self._stop = stop
        self._cleaned_up_at = -CLEAN_UP_SECONDS
        # The day for which this process knows the tenant's dunning to have been started.
        self._dunned: dict[UUID, date] = {}

    def step(self) -> None:
        """Run what is due, then wait for the next tick."""
        self.sweep()
        self.settle()
        self.start_dunning()
        if time.monotonic() - self._cleaned_up_at >= CLEAN_UP_SECONDS:
            self.clean_up()
            self._cleaned_up_at = time.monotonic()
        self._stop.wait(TICK_SECONDS)

    def sweep(self) -> int:
        """Mark invoices whose due day has ended for their tenant; how many.

        A look that finds nothing is one read over an index: it may come often.
        """
        marked = 0
        for tenant_id in read(self._db, platform_system(_WHO), tenants_to_sweep):
            marked += run(self._db, _acting_for(tenant_id), sweep_overdue)
        if marked:
            log.info("overdue.marked", count=marked)
        return marked

    def settle(self) -> int:
        """End the promises to pay that were kept or broken; how many. Also a cheap look."""
        settled = 0
        for tenant_id in read(self._db, platform_system(_WHO), tenants_with_promises_to_settle):
            while ended := run(self._db, _acting_for(tenant_id), settle_promises):
                settled += ended
        if settled:
            log.info("promises.settled", count=settled)
        return settled

    def start_dunning(self) -> int:
        """Queue the day's evaluation of every tenant whose sending window is open; how many."""
        now = self._db.clock()
        started = 0
        for tenant in read(self._db, platform_system(_WHO), list_active_tenants):
            day = now.astimezone(ZoneInfo(tenant.time_zone)).date()
            if self._dunned.get(tenant.id) == day or not is_window_open(now, tenant):
                continue
            started += run(self._db, _acting_for(tenant.id), start_daily_dunning)
            self._dunned[tenant.id] = day
        if started:
            log.info("dunning.started", tenants=started)
        return started

    def clean_up(self) -> None:
        """Forget what nobody needs any more: expired keys, old sessions, done messages, …"""
        jobs: dict[str, Callable[[UnitOfWork], int]] = {
            "idempotency_keys": idempotency.forget_expired,
            "sessions": forget_expired_sessions,
            "sign_in_failures": forget_old_failures,
            "sign_in_steps": forget_old_steps,
            "account_emails": forget_old_account_emails,
            "workers": forget_gone_workers,
        }
        forgotten = {name: run(self._db, platform_system(_WHO), job) for name, job in jobs.items()}
        forgotten["messages"] = self._forget_all(_forget_some_messages)
        forgotten["failed_deliveries"] = self._forget_all(_forget_some_failures)
        if any(forgotten.values()):
            log.info("clean_up.done", **forgotten)

    def _forget_all(self, forget_some: Callable[[UnitOfWork], int]) -> int:
        total = 0
        while not self._stop.is_set():
            deleted = run(self._db, platform_system(_WHO), forget_some)
            total += deleted
            if deleted < _DELETED_AT_ONCE:
                break
        return total


def start_daily_dunning(work: UnitOfWork) -> bool:
    """Queue the tenant's evaluation of today, unless somebody has done so.

    The message names its day: one that is handled only on the next day does nothing.
    """
    if not start_once(work, DAILY_RUN, work.today):
        return False
    work.send(EvaluateDunning(as_of=work.today, scheduled=True, keep_gap=True))
    return True


def _forget_some_messages(work: UnitOfWork) -> int:
    return forget_done(
        work.connection, before=work.now - DONE_MESSAGES_KEPT, rows_max=_DELETED_AT_ONCE
    )


def _forget_some_failures(work: UnitOfWork) -> int:
    return forget_failed_deliveries(
        work.connection, before=work.now - FAILED_DELIVERIES_KEPT, rows_max=_DELETED_AT_ONCE
    )


def _acting_for(tenant_id: UUID) -> Actor:
    return Actor.system(tenant_id, new_id().hex, who=_WHO)
