"""Communications: what was said to customers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.calls import Call, answered
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.communications import (
    CommunicationDetailOut,
    CommunicationPage,
    CommunicationQuery,
    NewReturn,
    ReturnedOut,
)
from backend.communications.queries import (
    CommunicationFilter,
    get_communication,
    list_communications,
)
from backend.communications.returns import report_return

endpoints = Endpoints("Communications")


@endpoints(
    "GET",
    "/api/communications",
    Action.READ,
    answer=CommunicationPage,
    answers="A page of communications.",
)
async def get_communications(call: Call, query: Annotated[CommunicationQuery, Query()]) -> Reply:
    """List communications, newest first."""
    narrowed = CommunicationFilter(
        customer_id=query.customer_id,
        invoice_id=query.invoice_id,
        type=query.type,
        status=query.status,
    )
    found = await call.read(list_communications, narrowed, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.communication))


@endpoints(
    "GET",
    "/api/communications/{communication_id}",
    Action.READ,
    answer=CommunicationDetailOut,
    answers="The communication.",
)
async def get_one_communication(call: Call, communication_id: UUID) -> Reply:
    """Read a communication with its bodies and attachments."""
    found = await call.read(get_communication, communication_id)
    return ok(render.communication_detail(found))


@endpoints(
    "POST",
    "/api/communications/{communication_id}/returned",
    Action.CUSTOMERS_WRITE,
    answer=ReturnedOut,
    answers="Whose address was marked.",
)
async def tell_of_return(call: Call, communication_id: UUID, body: NewReturn) -> Reply:
    """Tell that an e-mail came back for good, or was complained about: no more goes there."""
    return await call.write(
        lambda work: answered(
            render.returned(
                communication_id,
                body.kind,
                report_return(work, communication_id, None, body.kind, body.detail, "api"),
            )
        )
    )
