"""Holding and releasing on the page of an invoice and on that of a customer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import reflex as rx

from backend.unit_of_work import UnitOfWork
from billerjacket_app.page_state import PageState, say


class HoldActs(PageState, mixin=True):
    """The page says by `holding` what it is about."""

    def holding(self) -> tuple[Callable[[UnitOfWork, UUID, dict[str, Any]], str], Any, UUID]:
        """What places the hold, what releases it, and the id of what is held."""
        raise NotImplementedError  # abstract: each page has its own

    @rx.event
    async def hold(self, form: dict[str, Any]) -> Any:
        """Hold it as the form says."""
        self.busy = True
        yield
        place, _, held_id = self.holding()
        outcome = await self.call(place, held_id, form)
        if not outcome.problem:
            self.close_dialog_now()
            await self.fetch()
            yield say(outcome.must)

    @rx.event
    async def release(self) -> Any:
        """End the hold; it can be held again, so nothing is asked."""
        self.busy = True
        yield
        _, release, held_id = self.holding()
        outcome = await self.call(release, held_id)
        if outcome.problem:
            yield say(f"{outcome.problem.title} {outcome.problem.detail}", bad=True)
            return
        await self.fetch()
        yield say("The hold was released: chasing goes on.")
