"""What a background event needs to know of the tab and page it works for.

async with self:
    watch = Watch.begin(self)
while watch.is_tab_open():
    …
    async with self:
        if not watch.holds(self):
            return
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from reflex_base.registry import RegistrationContext


@dataclass(frozen=True)
class Watch:
    """One tab's watching of one page, until it shows another page or begins to watch anew."""

    key: str
    path: str
    token: str

    @classmethod
    def begin(cls, state: Any) -> Watch:
        """Take the place of the State's watch before; inside its lock. It keeps `_watcher`."""
        router = state.router
        watch = cls(uuid.uuid4().hex, router.url.path, router.session.client_token)
        state._watcher = watch.key
        return watch

    def holds(self, state: Any) -> bool:
        """Whether this is still the State's watch, and the page the one shown; inside its lock."""
        return bool(state._watcher == self.key and state.router.url.path == self.path)

    def is_tab_open(self) -> bool:
        """Whether the tab is still connected."""
        return is_tab_open(self.token)


def is_tab_open(token: str) -> bool:
    """Whether a tab is connected, by its client token."""
    namespace = RegistrationContext.get().app.event_namespace
    return namespace is not None and token in namespace.token_to_sid
