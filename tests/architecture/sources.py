"""The product's own source files, parsed."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("backend", "worker", "billerjacket_app", "scripts")
# The rooms of the business: they know rules and rows, no framework and no network.
BUSINESS = (
    "customers",
    "invoices",
    "payments",
    "ledger",
    "dunning",
    "health",
    "communications",
    "reporting",
    "identity",
    "tenants",
    "verification",
    "support",
    "webhooks",
)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def files(*folders: str) -> list[Path]:
    """All Python files under these folders of the repository; a name may be a file too."""
    found: list[Path] = []
    for folder in folders:
        place = ROOT / folder
        found += [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))
    return found


def business_files() -> list[Path]:
    return files(*(f"backend/{room}" for room in BUSINESS if (ROOT / "backend" / room).exists()))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def where(path: Path, node: ast.AST) -> str:
    return f"{name_of(path)}:{getattr(node, 'lineno', 0)}"


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """Every call in a file, with the last part of what is called."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node, node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node, node.func.id


def texts(path: Path) -> Iterator[ast.Constant]:
    """Every text in a file that is no docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(parsed(path)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node


def imports(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module
