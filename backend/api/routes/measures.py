"""How well collecting works: recovered money, promises kept, days sales outstanding."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from backend.actor import Action
from backend.api import render_collections as render
from backend.api.calls import Call
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.measures import (
    DsoOut,
    DsoQuery,
    PeriodQuery,
    PromiseRateOut,
    RecoveryOut,
    RecoveryQuery,
)
from backend.reporting.dso import get_dso
from backend.reporting.promise_rate import list_ended_promises, promise_rate
from backend.reporting.recovery import RecoveredFilter, list_recovered, recovered
from backend.unit_of_work import Reader

endpoints = Endpoints("Reports")
_BEFORE_ANY = "none"


@endpoints(
    "GET",
    "/api/reports/recovery",
    Action.READ,
    answer=RecoveryOut,
    answers="The sums by step and template, and a page of what they are made of.",
)
async def read_recovery(call: Call, query: Annotated[RecoveryQuery, Query()]) -> Reply:
    """Read what was paid in a period, by the reminder that came before it."""
    step = query.step
    narrowed = RecoveredFilter(
        query.currency_code,
        None if step in (None, _BEFORE_ANY) else int(str(step)),
        is_before_any=step == _BEFORE_ANY,
    )

    def both(reader: Reader) -> dict[str, Any]:
        rows = list_recovered(
            reader, query.since, query.until, narrowed, limit=query.limit, cursor=query.cursor
        )
        return render.recovery(recovered(reader, query.since, query.until), rows)

    return ok(await call.read(both))


@endpoints(
    "GET",
    "/api/reports/promises",
    Action.READ,
    answer=PromiseRateOut,
    answers="The rate, and a page of the promises.",
)
async def read_promise_rate(call: Call, query: Annotated[PeriodQuery, Query()]) -> Reply:
    """Read how many promises to pay were kept of those that ended in a period."""

    def both(reader: Reader) -> dict[str, Any]:
        rows = list_ended_promises(
            reader, query.since, query.until, limit=query.limit, cursor=query.cursor
        )
        return render.promise_rate(promise_rate(reader, query.since, query.until), rows)

    return ok(await call.read(both))


@endpoints(
    "GET",
    "/api/reports/dso",
    Action.READ,
    answer=DsoOut,
    answers="The days, per currency, and the months that were counted.",
)
async def read_dso(call: Call, query: Annotated[DsoQuery, Query()]) -> Reply:
    """Read days sales outstanding as of a day that has come."""
    return ok(render.dso(await call.read(get_dso, query.as_of)))
