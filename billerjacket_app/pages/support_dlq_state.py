"""What the pages of dead letters share: asking the queues, looking again, the words for things.

Dead letters lie in the broker, so the database does not tell when they change. While a page is
open it looks again: soon after a commit of anybody (that is when the worker sets something aside
or a job goes on), and on a slow timer for what happens in a broker alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import reflex as rx

from backend.actor import PERMISSIONS, Action, Actor, PlatformActor
from backend.messaging.contracts import Queue
from backend.support.groups import KEPT_FOR
from backend.support.letters import NONE
from backend.unit_of_work import read
from billerjacket_app import bridge, live, routes
from billerjacket_app.bridge import Outcome
from billerjacket_app.page_state import PageState
from billerjacket_app.pages import rows
from billerjacket_app.watch import Watch

P = ParamSpec("P")
T = TypeVar("T")
AnyActor = Actor | PlatformActor

LOOK_AGAIN_SECONDS = KEPT_FOR.total_seconds() + 1

# How the address spells "without a reason" and "without a type".
WITHOUT = "none"
UTC = ZoneInfo("UTC")

QUEUE_TITLES = {
    Queue.EMAIL_SEND: "E-mails",
    Queue.DUNNING_EVALUATE: "Dunning",
    Queue.PAYMENT_COMMANDS: "Payments",
    Queue.WEBHOOK_INGEST: "Webhooks",
}


class SupportState(PageState, mixin=True):
    """A page over the queues. It says what it asks by `_question` and shows it by `_show`."""

    def _question(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """What the page asks: a function of (db, transport, actor, …), and what follows those."""
        raise NotImplementedError  # abstract: each page has its own

    def _show(self, found: Any) -> None:
        """Assign what was found to the page's variables."""
        raise NotImplementedError  # abstract: each page has its own

    def _glance(self) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
        """What to ask when looking again; None when there is nothing to look for."""
        return self._question()

    def _noticed(self, outcome: Outcome[Any]) -> None:
        """Show what looking again found."""
        if not outcome.problem:
            self._show(outcome.must)

    async def _ask(
        self,
        use_case: Callable[Concatenate[Any, Any, Any, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Outcome[T]:
        """`bridge.ask` as whoever is signed in."""
        return await bridge.ask(self, use_case, *args, **kwargs)

    async def _act(
        self,
        use_case: Callable[Concatenate[Any, Any, Any, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Outcome[T]:
        """`_ask` for an act; a refusal is kept for the open dialog."""
        outcome = await bridge.ask(self, use_case, *args, **kwargs)
        self.busy = False
        self.refusal = outcome.problem
        self.errors = dict(outcome.problem.errors)
        return outcome

    async def fetch(self) -> None:
        """Load what the address names."""
        use_case, args = self._question()
        outcome = await self._ask(use_case, *args)
        if outcome.problem:
            self.fail(outcome.problem)
        else:
            self._show(outcome.must)

    async def _fetch_shown(self) -> None:
        self.assign(view="ready", problem=bridge.Problem())
        await self.fetch()

    @rx.event(background=True)
    async def watch(self) -> None:
        """Look again while this page is the one shown; the asking itself holds nothing up."""
        async with self:
            watch = Watch.begin(self)
        last = time.monotonic()
        # Counts are kept for a while: what they did not tell at first, they tell after it.
        wait_seconds = LOOK_AGAIN_SECONDS
        while True:
            changed = await live.changes.wait(wait_seconds)
            wait_seconds = LOOK_AGAIN_SECONDS if changed else live.PAGE_SECONDS_MAX
            await live.settle(last)
            last = time.monotonic()
            if not watch.is_tab_open():
                return
            async with self:
                if not watch.holds(self):
                    return
                asked = self._glance()
            if asked is None:
                continue
            outcome = await bridge.ask(self, asked[0], *asked[1])
            async with self:
                if not watch.holds(self):
                    return
                if outcome.problem.kind == "signed_out":
                    return
                if self._glance() == asked:  # else the page asks something else by now
                    self._noticed(outcome)


def zone_of(db: Any, actor: AnyActor) -> ZoneInfo:
    """The time zone of who looks: their business's, or UTC for the platform's own."""
    return read(db, actor, rows.zone_of) if isinstance(actor, Actor) else UTC


def permits(actor: AnyActor, action: Action) -> bool:
    """Whether the role permits it; only to say so beside a control, the service decides."""
    return action in PERMISSIONS[actor.role]


def named(text: str | None) -> str:
    """A reason or a type as the address spells it."""
    return text or WITHOUT


def asked_for(text: str) -> str | None:
    """A reason or a type of the address as a filter has it."""
    if not text:
        return None
    return NONE if text == WITHOUT else text


def letter_link(actor: AnyActor, kind: str, identifier: str) -> str:
    """Where a thing that a letter mentions is shown; empty for what has no page for the actor."""
    if not isinstance(actor, Actor):
        return ""
    pages: dict[str, Callable[[str], str]] = {
        "invoice": routes.invoice,
        "payment": routes.payment,
        "customer": routes.customer,
        "communication": lambda email_id: routes.mailbox(open=email_id),
        "webhook_event": routes.webhook,
        "correlation": routes.trace,
    }
    return pages[kind](identifier) if kind in pages else ""


def clock_text(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """An instant inside a sentence: the time of day, with the date when it was another day."""
    local = at.astimezone(zone)
    is_today = local.date() == now.astimezone(zone).date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M:%S}"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, in the two largest units: `3d 4h`, `12m`."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    if days:
        return f"{days}d {hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h {minutes}m" if minutes else f"{hours}h"
    return f"{minutes}m" if minutes else f"{seconds}s"
