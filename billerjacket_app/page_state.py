"""What every page's State has: loading, its problem, its dialog, live reloading, saying things.

    class CustomersState(ListState, rx.State):
        rows: list[CustomerRow] = []

        async def fetch(self) -> None:
            outcome = await self.read(load_customers, self.arg("q"), self.arg("cursor"))
            if outcome.problem:
                return self.fail(outcome.problem)
            self.assign(rows=outcome.must.rows, …)

A page registers `on_load=CustomersState.load`. `load` sets `view`, calls `fetch`, and starts one
watcher that calls `follow` when the business's data changed: `fetch` again, unless the page has
its own. `fetch` assigns display values only (text); what is unchanged is not sent. Filters, sort
and page are read from the address.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

import reflex as rx

from backend.errors import BillerJacketError
from backend.reporting.freshness import get_position
from backend.unit_of_work import Reader, UnitOfWork
from billerjacket_app import bridge, live, routes
from billerjacket_app.bridge import Outcome, Problem
from billerjacket_app.watch import Watch

P = ParamSpec("P")
T = TypeVar("T")

TOASTS_MAX = 3


@dataclass
class Toast:
    """One remark in the corner; `tone` is "good" or "bad"."""

    key: str = ""
    text: str = ""
    tone: str = "good"


class ToastState(rx.State):
    """Remarks in the corner. Rendered from state: Reflex's own would need eval in the browser."""

    toasts: list[Toast] = []

    @rx.event
    def say(self, text: str, tone: str) -> None:
        """Show a remark; only the newest few stay."""
        said = Toast(uuid.uuid4().hex, text[:300], "bad" if tone == "bad" else "good")
        self.toasts = [*self.toasts, said][-TOASTS_MAX:]

    @rx.event
    def dismiss(self, key: str) -> None:
        """Take one away."""
        self.toasts = [toast for toast in self.toasts if toast.key != key]


def say(text: str, *, bad: bool = False) -> Any:
    """The event that shows a remark, to be returned or yielded by a handler."""
    remark: Any = ToastState.say  # read from the class, a handler makes an event
    return remark(text, "bad" if bad else "good")


class PageState(rx.State, mixin=True):
    """See the top of this file."""

    view: str = "loading"  # loading, ready, missing, forbidden, failed
    problem: Problem = Problem()
    title: str = ""
    # The dialog that is open, the refusal shown in it, and its fields' errors.
    dialog: str = ""
    refusal: Problem = Problem()
    errors: dict[str, str] = {}
    busy: bool = False

    # Names the form that is open: the same form sent twice does its work once.
    _form_key: str = ""
    _path: str = ""
    _watcher: str = ""
    _position: int = -1

    async def fetch(self) -> None:
        """Load what the page shows. Each page has its own."""
        raise NotImplementedError  # abstract: each page has its own

    async def follow(self) -> None:
        """Show what changed since; a list whose rows must stay where they are has its own."""
        await self.fetch()

    def position_of(self) -> Callable[[Reader], int]:
        """What tells that the data of this page changed: a number that grows."""
        return get_position

    @rx.event
    async def load(self) -> Any:
        """Load the page; the event of a page's `on_load`, and of "Try again"."""
        path = self.router.url.path
        if path != self._path or self.view != "ready":
            # Another record, or another try: nothing of the one before may show.
            self._path = path
            self.view = "loading"
            self.close_dialog_now()
            yield
        await self._fetch_shown()
        if self.view == "ready":
            yield type(self).watch

    async def _fetch_shown(self) -> None:
        where = await self.read(self.position_of())
        if where.problem:
            self.fail(where.problem)
            return
        self._position = where.must
        self.problem = Problem() if self.problem else self.problem
        self.assign(view="ready")
        await self.fetch()

    @rx.event(background=True)
    async def watch(self) -> None:
        """Load again when the business's data changed, while this page is the one shown."""
        async with self:
            watch = Watch.begin(self)
        last = time.monotonic()
        while True:
            await live.changes.wait(live.PAGE_SECONDS_MAX)
            await live.settle(last)
            last = time.monotonic()
            if not watch.is_tab_open():
                return
            async with self:
                if not watch.holds(self):
                    return
                where = await self.read(self.position_of())
                if where.problem:
                    if where.problem.kind == "signed_out":
                        return
                    continue
                if where.must != self._position:
                    self._position = where.must
                    await self.follow()

    # For a page's own handlers.

    async def read(
        self,
        query: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Outcome[T]:
        """`bridge.read` as the person signed in."""
        return await bridge.read(self, query, *args, **kwargs)

    async def call(
        self,
        use_case: Callable[Concatenate[UnitOfWork, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Outcome[T]:
        """`bridge.call` as the person signed in; a refusal is kept for the open form."""
        outcome = await bridge.call(self, use_case, *args, **kwargs)
        self.busy = False
        if outcome.problem:
            self._form_key = uuid.uuid4().hex
        self.refusal = outcome.problem
        self.errors = dict(outcome.problem.errors)
        return outcome

    def assign(self, **values: Any) -> None:
        """Set variables, those that differ: a list set again would be sent again."""
        for name, value in values.items():
            if getattr(self, name) != value:
                setattr(self, name, value)

    def fail(self, problem: Problem) -> None:
        """Show why the page has nothing to show."""
        view = problem.kind if problem.kind in ("missing", "forbidden") else "failed"
        if problem.kind == "invalid":
            problem = dataclasses.replace(problem, title="This address makes no sense.")
        self.assign(view=view, problem=problem)

    def arg(self, name: str) -> str:
        """A parameter of the address; empty when it is not there."""
        return str(self.router.url.query_parameters.get(name, "")).strip()

    def refuse(self, error: BillerJacketError) -> None:
        """Refuse a form before any service is asked."""
        self.busy = False
        self.refusal = bridge.problem_of(error, "")
        self.errors = dict(self.refusal.errors)

    def close_dialog_now(self) -> None:
        """Close the dialog and forget what it said."""
        self.assign(dialog="", busy=False, refusal=Problem(), errors={})

    @rx.event
    def open_dialog(self, name: str) -> None:
        """Open one of the page's dialogs."""
        self.close_dialog_now()
        self._form_key = uuid.uuid4().hex
        self.dialog = name

    @rx.event
    def close_dialog(self) -> None:
        """Close the dialog."""
        self.close_dialog_now()

    @rx.event
    def dialog_changed(self, is_open: bool) -> None:
        """The browser closed the dialog (Esc, a click beside it)."""
        if not is_open:
            self.close_dialog_now()


class ListState(PageState, mixin=True):
    """A page with one list: search, sort and cursor in the address."""

    q: str = ""
    sort: str = ""
    sort_links: dict[str, str] = {}
    search_key: str = "0"
    filtered: bool = False

    _typed: str = ""  # what the search field holds

    def show_query(self, path: str, query: dict[str, str], sorts: tuple[str, ...]) -> None:
        """Show the address's filters, and links that sort by each of `sorts`, up then down."""
        if query.get("q", "") != self._typed:
            # The address changed by a link, not by typing: the field must follow.
            self._typed = query.get("q", "")
            self.search_key = uuid.uuid4().hex
        links = {
            key: routes.with_query(
                path,
                query | {"sort": f"-{key}" if query.get("sort") == key else key, "cursor": ""},
            )
            for key in sorts
        }
        filters = {k: v for k, v in query.items() if k not in ("sort", "cursor") and v}
        self.assign(
            q=query.get("q", ""),
            sort=query.get("sort", ""),
            sort_links=links,
            filtered=bool(filters),
        )

    @rx.event
    def search(self, text: str) -> Any:
        """Put what was typed into the address; the list follows."""
        self._typed = text.strip()
        query = dict(self.router.url.query_parameters) | {"q": self._typed, "cursor": ""}
        return rx.redirect(routes.with_query(self.router.url.path, query), replace=True)
