"""Customers, as they come in and go out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backend.api.fields import Cursor, Id, Limit, many_lines, one_line, required_line
from backend.api.schemas.common import Answer, Body, Date, Instant, Uuid, example
from backend.customers.service import PAYMENT_TERMS_DAYS_DEFAULT, PAYMENT_TERMS_DAYS_MAX
from backend.paging import LIMIT_DEFAULT

Terms = Annotated[int, Field(strict=True, ge=0, le=PAYMENT_TERMS_DAYS_MAX)]


class NewCustomer(Body):
    """A customer to be added."""

    model_config = example(
        display_name="Hilltop Apartments LLC",
        email="ap@hilltop.example",
        phone="+1 312 555 0142",
        billing_address="2200 N Clark St\nChicago, IL 60614",
        payment_terms_days=30,
        external_source="roofing-jobs",
        external_reference_id="cust-1041",
    )

    display_name: Annotated[str, required_line(200)]
    email: Annotated[str, one_line(254)] | None = None
    phone: Annotated[str, one_line(50)] | None = None
    billing_address: Annotated[str, many_lines(1000)] | None = None
    payment_terms_days: Terms = PAYMENT_TERMS_DAYS_DEFAULT
    external_source: Annotated[str, one_line(100)] | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None


class CustomerChanges(Body):
    """What to change; a field that is left out stays, null clears it."""

    model_config = example(email="billing@hilltop.example", payment_terms_days=14)

    display_name: Annotated[str, required_line(200)] = ""
    email: Annotated[str, one_line(254)] | None = None
    phone: Annotated[str, one_line(50)] | None = None
    billing_address: Annotated[str, many_lines(1000)] | None = None
    payment_terms_days: Terms = PAYMENT_TERMS_DAYS_DEFAULT
    external_source: Annotated[str, one_line(100)] | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None
    dunning_plan_id: Id | None = Field(
        default=None, description="The customer's own plan; null for the tenant's default."
    )


class CustomerQuery(Body):
    """Which customers."""

    q: Annotated[str, one_line(200)] | None = Field(
        default=None, description="Part of the name, e-mail or external reference."
    )
    external_source: Annotated[str, one_line(100)] | None = None
    external_reference_id: Annotated[str, one_line(200)] | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class CustomerHoldOut(Answer):
    """Why the customer is not chased. `until` is inclusive."""

    kind: Literal["pause", "exclude"]
    until: Date | None
    reason: str | None


class CustomerOut(Answer):
    """A customer."""

    model_config = example(
        customer_id="0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
        display_name="Hilltop Apartments LLC",
        email="ap@hilltop.example",
        email_status="ok",
        phone="+1 312 555 0142",
        billing_address="2200 N Clark St\nChicago, IL 60614",
        payment_terms_days=30,
        external_source="roofing-jobs",
        external_reference_id="cust-1041",
        dunning_plan_id=None,
        hold=None,
        created_at="2026-03-04T18:00:00Z",
        updated_at="2026-03-04T18:00:00Z",
    )

    customer_id: Uuid
    display_name: str
    email: str | None
    email_status: Literal["ok", "bounced", "complained"]
    phone: str | None
    billing_address: str | None
    payment_terms_days: int
    external_source: str | None
    external_reference_id: str | None
    dunning_plan_id: Uuid | None
    hold: CustomerHoldOut | None
    created_at: Instant
    updated_at: Instant


class CustomerPage(Answer):
    """Some customers, newest first."""

    items: list[CustomerOut]
    next_cursor: str | None
