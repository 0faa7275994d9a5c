"""Carries out what people asked to be done with dead letters: bulk acts, and what was left open."""

from __future__ import annotations

import threading

from backend.bootstrap import Services
from backend.support.executor import run_due_jobs

# How soon a job starts, and how soon one is noticed whose worker was killed.
LOOK_SECONDS = 1.0


class Support:
    """Runs the jobs that are due and that no other worker runs."""

    def __init__(self, services: Services, stop: threading.Event) -> None:
        self._services = services
        self._stop = stop

    def step(self) -> None:
        """Run what is due, or wait a while."""
        if not self.run_due():
            self._stop.wait(LOOK_SECONDS)

    def run_due(self) -> int:
        """Run what is due; how many jobs. Raises Busy when the database cannot answer."""
        return run_due_jobs(self._services.db, self._services.transport, self._stop.is_set)
