"""`python -m worker`: the relay, the consumers and the scheduler; `--once` drains and exits."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from sqlalchemy.exc import DBAPIError

from backend import logging, migrate
from backend.bootstrap import Services, open_services
from backend.cli.arguments import OneLineParser
from backend.config import load_settings_or_exit
from backend.errors import BillerJacketError
from worker.handlers.table import HANDLERS
from worker.heartbeat import heartbeat
from worker.process import Worker


def main(arguments: list[str] | None = None) -> int:
    """Run a worker; the exit status."""
    parser = OneLineParser(
        prog="python -m worker",
        description="Moves messages from the outbox to the queues, handles them, and does what "
        "happens by the clock. Stops on Ctrl-C or SIGTERM after what it has in hand.",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="run the overdue sweep, handle everything that is due now, and exit",
    )
    options = parser.parse_args(arguments)
    settings = load_settings_or_exit()
    logging.configure(settings.log_format, settings.log_level)
    try:
        services = open_services(settings)
        if not migrate.is_at_head(services.db):
            return _fail("the database is not migrated: run python -m backend migrate")
    except (DBAPIError, OSError) as error:
        return _fail(f"the database cannot be opened: {str(error).splitlines()[0]}")
    try:
        return _work(services, once=options.once)
    except BillerJacketError as error:
        return _fail(error.detail)
    finally:
        services.close()


def _work(services: Services, *, once: bool) -> int:
    worker = Worker(services, HANDLERS)

    def stop(signum: int, _frame: FrameType | None) -> None:
        worker.stop.set()
        # Whoever asks twice does not want to wait.
        signal.signal(signum, signal.SIG_DFL)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    with heartbeat(services.db):
        if once:
            worker.run_once()
            return 0
        return 0 if worker.run() else 1


def _fail(problem: str) -> int:
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
