"""Pages that need no key: health, the OpenAPI document, the documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.types import Scope

from backend.api.bodies import Incoming
from backend.api.replies import Reply


@dataclass(frozen=True, slots=True)
class PublicPage:
    """Answers a GET of one path to anybody."""

    path: str
    function: Callable[[Scope, Mapping[str, str]], Awaitable[Reply]]
    is_probe: bool = False

    async def answer(
        self,
        scope: Scope,
        body: Incoming,
        path_values: Mapping[str, str],
        correlation_id: str,
    ) -> Reply:
        """The page."""
        return await self.function(scope, path_values)
