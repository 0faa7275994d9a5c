"""Whom to call, and what was said: the worklist and the contacts of a customer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.calls import Call, answered
from backend.api.endpoints import Endpoints
from backend.api.render_collections import contact, worklist_page
from backend.api.replies import Reply, ok
from backend.api.schemas.contacts import (
    ContactOut,
    ContactPage,
    ContactQuery,
    NewContact,
    WorklistOut,
    WorklistQuery,
)
from backend.dunning.contacts import LogContact, list_contacts, log_contact
from backend.reporting.worklist import Reason, worklist

endpoints = Endpoints("Dunning")
_CONTACTS = "/api/customers/{customer_id}/contacts"


@endpoints(
    "GET",
    "/api/dunning/worklist",
    Action.READ,
    answer=WorklistOut,
    answers="A page of customers to call, and how many there are.",
)
async def get_worklist(call: Call, query: Annotated[WorklistQuery, Query()]) -> Reply:
    """List whom to call today, and why. By priority the weightiest reason comes first."""
    found = await call.read(
        worklist,
        sort=query.sort,
        reason=None if query.reason is None else Reason(query.reason),
        q=query.q,
        limit=query.limit,
        cursor=query.cursor,
    )
    return ok(worklist_page(found))


@endpoints("GET", _CONTACTS, Action.READ, answer=ContactPage, answers="A page of contacts.")
async def get_contacts(
    call: Call, customer_id: UUID, query: Annotated[ContactQuery, Query()]
) -> Reply:
    """List the calls and notes about a customer, newest first."""
    found = await call.read(list_contacts, customer_id, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, contact))


@endpoints(
    "POST",
    _CONTACTS,
    Action.DUNNING_WRITE,
    status=201,
    answer=ContactOut,
    answers="The contact, as it is kept for good.",
)
async def add_contact(call: Call, customer_id: UUID, body: NewContact) -> Reply:
    """Log a call or a note about a customer, and when to come back."""
    command = LogContact(**dict(body))
    return await call.write(
        lambda work: answered(
            contact(log_contact(work, customer_id, command)),
            status=201,
            location=f"/api/customers/{customer_id}/contacts",
        ),
        body=body,
    )
