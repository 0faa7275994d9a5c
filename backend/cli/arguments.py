"""How a command line is read, and how it says that it was called wrongly."""

from __future__ import annotations

import argparse
from typing import NoReturn

WRONG_CALL = 2


class OneLineParser(argparse.ArgumentParser):
    """Answers a wrong call with one line, not with the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with status 2."""
        self.exit(WRONG_CALL, f"{self.prog}: {message} (see --help)\n")
