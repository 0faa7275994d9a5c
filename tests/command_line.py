"""`python -m backend` as tests call it: in a process of its own, or quicker in theirs."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.cli.main import main

ROOT = Path(__file__).parents[1]


def surroundings() -> dict[str, str]:
    """The environment of a process, without anybody's settings."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("BILLERJACKET_")}
    return kept | {"PYTHONPATH": str(ROOT)}


@dataclass
class Done:
    status: int
    stdout: str
    stderr: str

    def says_in_one_line(self) -> str:
        assert self.status in (1, 2), self
        assert self.stdout == "", self
        (line,) = self.stderr.splitlines()
        assert "Traceback" not in line
        return line


@dataclass
class CommandLine:
    """`python -m backend` in a folder of its own, on one database."""

    folder: Path
    database: Path
    patch: pytest.MonkeyPatch

    def apart(self, line: str, **settings: str) -> Done:
        """Run a command in a process of its own, as people do."""
        done = subprocess.run(
            [sys.executable, "-m", "backend", *shlex.split(line)],
            cwd=self.folder,
            env=surroundings() | self._settings() | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def __call__(self, line: str, *, stdin: str = "") -> Done:
        """Run a command in this process, which is many times quicker."""
        for name in set(os.environ) - set(surroundings()):
            self.patch.delenv(name)
        for name, value in self._settings().items():
            self.patch.setenv(name, value)
        self.patch.chdir(self.folder)
        self.patch.setattr(sys, "stdin", io.StringIO(stdin))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(shlex.split(line))
            except SystemExit as end:
                status = int(end.code or 0)
        return Done(status, out.getvalue(), err.getvalue())

    def json(self, line: str, *, stdin: str = "") -> dict[str, Any]:
        done = self(f"{line} --json", stdin=stdin)
        assert (done.status, done.stderr) == (0, ""), done
        parsed: dict[str, Any] = json.loads(done.stdout)
        return parsed

    def _settings(self) -> dict[str, str]:
        return {"BILLERJACKET_DATABASE_URL": f"sqlite:///{self.database}"}
