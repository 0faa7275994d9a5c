"""The table of endpoints: a path is looked up part by part, not tried against each pattern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from backend.api.problems import MethodNotAllowed, PathNotFound

E = TypeVar("E")


@dataclass(slots=True)
class _Node(Generic[E]):
    literal: dict[str, _Node[E]] = field(default_factory=dict)
    variable: _Node[E] | None = None
    by_method: dict[str, tuple[E, tuple[str, ...]]] = field(default_factory=dict)


class Table(Generic[E]):
    """Endpoints by path and method. A literal part wins over a variable one."""

    def __init__(self, entries: Iterable[tuple[str, str, E]]) -> None:
        self._root: _Node[E] = _Node()
        for method, path, endpoint in entries:
            node, names = self._root, []
            for part in path.split("/"):
                if part.startswith("{"):
                    names.append(part.strip("{}"))
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.literal.setdefault(part, _Node())
            assert method not in node.by_method, f"two endpoints for {method} {path}"
            node.by_method[method] = (endpoint, tuple(names))

    def find(self, method: str, path: str) -> tuple[E, dict[str, str]]:
        """The endpoint and the variable parts; raises PathNotFound or MethodNotAllowed."""
        node: _Node[E] | None = self._root
        values = []
        for part in path.split("/"):
            assert node is not None
            following = node.literal.get(part)
            if following is None:
                following = node.variable if part else None
                values.append(part)
            if following is None:
                raise PathNotFound("There is nothing at this address.")
            node = following
        assert node is not None
        if not node.by_method:
            raise PathNotFound("There is nothing at this address.")
        found = node.by_method.get(method)
        if found is None:
            raise MethodNotAllowed(method[:20], sorted(node.by_method))
        return found[0], dict(zip(found[1], values, strict=True))
