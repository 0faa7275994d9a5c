"""/reports: what chasing brings. The period stands in the address, and so do a measure's rows.

`/reports?since=…&until=…` shows the measures, `…&measure=recovery&step=3` the rows behind one of
them. Amounts of different currencies are never added up.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import reflex as rx

from backend.errors import InvalidInput
from backend.unit_of_work import Reader
from billerjacket_app import routes
from billerjacket_app.components import filters
from billerjacket_app.page_state import PageState
from billerjacket_app.pages.reports_rows import (
    Amount,
    Detail,
    DsoRow,
    Measures,
    Period,
    Promises,
    RecoveryRow,
    load_detail,
    load_measures,
    period_of,
)
from billerjacket_app.pages.reports_view import layout

PERIODS = ((30, "30 days"), (90, "90 days"), (365, "365 days"))
DEFAULT_DAYS = 90
# What names the rows of one measure.
NARROWED = ("measure", "step", "currency", "cursor")


def load_reports(
    reader: Reader, since: str, until: str, query: dict[str, str]
) -> tuple[Period, date, Measures | tuple[Detail, filters.Pager]]:
    """What the address names, with its period and the tenant's today. Raises InvalidInput."""
    period = period_of(since, until, reader.today, DEFAULT_DAYS)
    if query["measure"]:
        return period, reader.today, load_detail(reader, period, query)
    return period, reader.today, load_measures(reader, period)


def period_tabs(period: Period, today: date, narrowed: dict[str, str]) -> list[filters.Tab]:
    """Links to the usual periods, which end today."""
    tabs = []
    for days, label in PERIODS:
        since = today - timedelta(days=days - 1)
        href = routes.reports(since=since, until=today, **narrowed)
        tabs.append(filters.Tab(label, "", href, period == Period(since, today)))
    return tabs


class ReportsState(PageState, rx.State):
    """The measures, or the rows of one."""

    since: str = ""
    until: str = ""
    tabs: list[filters.Tab] = []
    measure: str = ""
    formulas: dict[str, str] = {}
    recovery: list[RecoveryRow] = []
    totals: list[Amount] = []
    promises: Promises = Promises()
    dso: list[DsoRow] = []
    detail: Detail = Detail()
    pager: filters.Pager = filters.Pager()

    async def fetch(self) -> None:
        """Load what the address names."""
        query = {name: self.arg(name) for name in NARROWED}
        outcome = await self.read(load_reports, self.arg("since"), self.arg("until"), query)
        if outcome.problem:
            self.fail(outcome.problem)
            return
        period, today, found = outcome.must
        narrowed = {name: value for name, value in query.items() if value and name != "cursor"}
        self.assign(
            since=period.since.isoformat(),
            until=period.until.isoformat(),
            measure=query["measure"],
            tabs=period_tabs(period, today, narrowed),
            errors={},
        )
        if isinstance(found, Measures):
            self.assign(
                recovery=found.recovery,
                totals=found.totals,
                promises=found.promises,
                dso=found.dso,
                formulas=found.formulas,
            )
        else:
            self.assign(detail=found[0], pager=found[1])

    @rx.event
    def choose_period(self, form: dict[str, Any]) -> Any:
        """Put the days into the address."""
        query = dict(self.router.url.query_parameters) | {
            "since": str(form.get("since", "")),
            "until": str(form.get("until", "")),
            "cursor": "",
        }
        try:
            period_of(query["since"], query["until"], date.max, DEFAULT_DAYS)
        except InvalidInput as wrong:
            self.refuse(wrong)
            return None
        self.assign(errors={})
        return rx.redirect(routes.with_query(routes.REPORTS, query))


def page() -> rx.Component:
    """The reports."""
    return layout(ReportsState)


def register(app: rx.App) -> None:
    """Add the page."""
    app.add_page(
        page, route=routes.REPORTS, title="Reports · BillerJacket", on_load=ReportsState.load
    )
