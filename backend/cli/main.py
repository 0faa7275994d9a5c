"""Reads the arguments, runs the command, and says in one line what went wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import structlog

from backend.cli import dead_letters, operations, people, webhooks
from backend.cli.arguments import WRONG_CALL, OneLineParser
from backend.cli.command import CommandFailed
from backend.config import WrongSettings
from backend.errors import BillerJacketError, InvalidInput

# As shells have it; a wrong call or setting is 2.
FAILED = 1
INTERRUPTED = 130

log = structlog.get_logger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """All commands. Each sets `run`, a function of the parsed arguments that returns a status."""
    parser = OneLineParser(
        prog="python -m backend",
        description="BillerJacket from the command line. Settings come from the environment "
        "(BILLERJACKET_…) or from .env.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    operations.add_commands(commands)
    people.add_commands(commands)
    dead_letters.add_commands(commands)
    webhooks.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = build_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except WrongSettings as wrong:
        sys.stderr.write(f"{wrong}\n")
        return WRONG_CALL
    except CommandFailed as failure:
        return _say(str(failure))
    except InvalidInput as invalid:
        return _say("; ".join(f"{error.field}: {error.message}" for error in invalid.errors))
    except BillerJacketError as refusal:
        return _say(refusal.detail)
    except BrokenPipeError:
        # Whoever read the output has gone; what was to be done is done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        # A person gets one line, never a traceback; with LOG_LEVEL=debug the log has it.
        log.debug("command.failed", exc_info=True)
        first_line = str(error).partition("\n")[0]
        return _say(f"{type(error).__name__}: {first_line}")


def _say(line: str) -> int:
    sys.stderr.write(f"error: {line}\n")
    return FAILED
