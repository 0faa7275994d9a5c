"""Reports: the billing summary, the aging, and the trace of an id."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.calls import Call
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.reports import (
    AgingOut,
    AgingQuery,
    Entries,
    SummaryOut,
    SummaryQuery,
)
from backend.reporting.aging import get_aging
from backend.reporting.summary import get_billing_summary
from backend.reporting.trace import list_trace

endpoints = Endpoints("Reports")


@endpoints(
    "GET",
    "/api/billing-summary",
    Action.READ,
    answer=SummaryOut,
    answers="The summary; empty for a reference that is not there.",
    problems={404: "There is no such customer."},
)
async def read_billing_summary(call: Call, query: Annotated[SummaryQuery, Query()]) -> Reply:
    """Read what is open, overdue, paid and unapplied, per currency."""
    found = await call.read(
        get_billing_summary,
        customer_id=query.customer_id,
        external_reference_id=query.external_reference_id,
    )
    return ok({"currencies": [render.summary(one) for one in found]})


@endpoints(
    "GET",
    "/api/reports/aging",
    Action.READ,
    answer=AgingOut,
    answers="The aging, per currency and customer.",
)
async def read_aging(call: Call, query: Annotated[AgingQuery, Query()]) -> Reply:
    """Read what is owed by age, as of a day that has come."""
    return ok(render.aging(await call.read(get_aging, query.as_of)))


@endpoints(
    "GET",
    "/api/trace/{any_id}",
    Action.READ,
    answer=Entries,
    answers="Everything that is known about the id, the oldest first.",
)
async def read_trace(call: Call, any_id: str) -> Reply:
    """Read all that happened around a correlation, invoice, payment, message or event id."""
    found = await call.read(list_trace, any_id)
    return ok({"items": [render.entry(one) for one in found]})
