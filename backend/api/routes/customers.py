"""Customers: add, read, list, change."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.calls import Call, answered
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.customers import (
    CustomerChanges,
    CustomerOut,
    CustomerPage,
    CustomerQuery,
    NewCustomer,
)
from backend.customers.queries import CustomerFilter, get_customer, list_customers
from backend.customers.service import CreateCustomer, create_customer, update_customer

endpoints = Endpoints("Customers")


@endpoints(
    "POST",
    "/api/customers",
    Action.CUSTOMERS_WRITE,
    status=201,
    answer=CustomerOut,
    answers="The new customer.",
)
async def add_customer(call: Call, body: NewCustomer) -> Reply:
    """Add a customer."""
    command = CreateCustomer(**dict(body))
    return await call.write(
        lambda work: answered(
            render.customer(view := create_customer(work, command)),
            status=201,
            location=f"/api/customers/{view.customer_id}",
        ),
        body=body,
    )


@endpoints(
    "GET", "/api/customers", Action.READ, answer=CustomerPage, answers="A page of customers."
)
async def get_customers(call: Call, query: Annotated[CustomerQuery, Query()]) -> Reply:
    """List customers, newest first."""
    narrowed = CustomerFilter(query.q, query.external_source, query.external_reference_id)
    found = await call.read(list_customers, narrowed, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.customer))


@endpoints(
    "GET",
    "/api/customers/{customer_id}",
    Action.READ,
    answer=CustomerOut,
    answers="The customer.",
)
async def get_one_customer(call: Call, customer_id: UUID) -> Reply:
    """Read a customer."""
    return ok(render.customer(await call.read_by_key(get_customer, customer_id)))


@endpoints(
    "PATCH",
    "/api/customers/{customer_id}",
    Action.CUSTOMERS_WRITE,
    answer=CustomerOut,
    answers="The customer as it is now.",
)
async def change_customer(call: Call, customer_id: UUID, body: CustomerChanges) -> Reply:
    """Change a customer. A field that is left out stays, null clears it."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    return await call.write(
        lambda work: answered(render.customer(update_customer(work, customer_id, changes)))
    )
