"""The command line: `python -m backend --help`."""

from backend.cli.main import main

__all__ = ["main"]
