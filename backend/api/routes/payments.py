"""Payments: recorded now or by the worker, reversed, and their credit applied."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.bodies import given
from backend.api.calls import Call, answered
from backend.api.endpoints import Endpoints, Idempotency
from backend.api.replies import Reply, ok
from backend.api.schemas.invoices import Reason
from backend.api.schemas.payments import (
    NewAllocation,
    NewAllocations,
    NewPayment,
    PaymentOut,
    PaymentPage,
    PaymentQuery,
)
from backend.customers.queries import find_customer
from backend.errors import InvalidInput, Refused
from backend.idempotency import Answer
from backend.invoices.balances import find_balance
from backend.messaging.contracts import ApplyPayment
from backend.payments.applying import AllocationInput
from backend.payments.credit import allocate_credit
from backend.payments.queries import PaymentFilter, get_payment, list_payments
from backend.payments.reversal import reverse_payment
from backend.payments.service import RecordPayment, try_payment
from backend.unit_of_work import UnitOfWork

endpoints = Endpoints("Payments")
_PAYMENT = "/api/payments/{payment_id}"


@endpoints(
    "POST",
    "/api/payments",
    Action.PAYMENTS_WRITE,
    status=201,
    answer=PaymentOut,
    answers="The payment.",
    idempotency=Idempotency.REQUIRED,
    accepts_async=True,
    problems={
        409: "`invoice_not_open`, or `duplicate_external_payment` with the first one's "
        "`payment_id`.",
        422: "`overpayment`, `allocations_exceed_amount` or `currency_mismatch`: the amounts do "
        "not permit it.",
    },
)
async def record_one_payment(call: Call, body: NewPayment) -> Reply:
    """Record money received and apply it to invoices.

    With `Prefer: respond-async` it is only queued, and the worker does it.
    """
    if body.invoice_id is None and body.customer_id is None:
        raise InvalidInput.of("invoice_id", "either invoice_id or customer_id is required")
    if call.prefers_async():
        return await call.write(lambda work: _queue(call, work, body), body=body)
    command = RecordPayment(
        amount=body.amount,
        currency_code=body.currency_code,
        method=body.method,
        invoice_id=body.invoice_id,
        customer_id=body.customer_id,
        allocations=_allocations(body.allocations),
        keep_excess_as_credit=body.keep_excess_as_credit,
        external_provider=body.external_provider,
        external_payment_id=body.external_payment_id,
        received_on=body.received_on,
        note=body.note,
    )

    def pay(work: UnitOfWork) -> Answer | Refused:
        view = try_payment(work, command)
        if isinstance(view, Refused):
            return view
        location = f"/api/payments/{view.payment_id}"
        return answered(render.payment(view), status=201, location=location)

    # try_payment undoes a refused payment itself, and keeps the attempt.
    return await call.write(pay, body=body, undo_refused=False)


@endpoints("GET", "/api/payments", Action.READ, answer=PaymentPage, answers="A page of payments.")
async def get_payments(call: Call, query: Annotated[PaymentQuery, Query()]) -> Reply:
    """List payments, newest first."""
    narrowed = PaymentFilter(query.customer_id, query.invoice_id, query.status)
    found = await call.read(list_payments, narrowed, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.payment))


@endpoints("GET", _PAYMENT, Action.READ, answer=PaymentOut, answers="The payment.")
async def get_one_payment(call: Call, payment_id: UUID) -> Reply:
    """Read a payment and what it is applied to."""
    return ok(render.payment(await call.read_by_key(get_payment, payment_id)))


@endpoints(
    "POST",
    f"{_PAYMENT}/reverse",
    Action.PAYMENTS_WRITE,
    answer=PaymentOut,
    answers="The payment, reversed.",
    idempotency=Idempotency.REQUIRED,
    problems={409: "`payment_not_reversible`: it is reversed already."},
)
async def reverse_one_payment(call: Call, payment_id: UUID, body: Reason) -> Reply:
    """Undo a payment that bounced or was charged back: its invoices are open again."""
    return await call.write(
        lambda work: answered(render.payment(reverse_payment(work, payment_id, body.reason))),
        body=body,
    )


@endpoints(
    "POST",
    f"{_PAYMENT}/allocations",
    Action.PAYMENTS_WRITE,
    answer=PaymentOut,
    answers="The payment, with what is applied now.",
    idempotency=Idempotency.REQUIRED,
    problems={
        409: "`payment_not_applicable` or `invoice_not_open`: a state does not permit it.",
        422: "`insufficient_credit` or `overpayment`: the amounts do not permit it.",
    },
)
async def apply_credit(call: Call, payment_id: UUID, body: NewAllocations) -> Reply:
    """Apply what is left of a payment to invoices."""
    allocations = _allocations(body.allocations)
    return await call.write(
        lambda work: answered(render.payment(allocate_credit(work, payment_id, allocations))),
        body=body,
    )


def _queue(call: Call, work: UnitOfWork, body: NewPayment) -> Answer:
    """Leave the payment to the worker, once its rows are known to be there."""
    if body.invoice_id is not None and find_balance(work, body.invoice_id) is None:
        raise InvalidInput.of("invoice_id", "is not an invoice of this tenant")
    if body.customer_id is not None and find_customer(work, body.customer_id) is None:
        raise InvalidInput.of("customer_id", "is not a customer of this tenant")
    work.send(ApplyPayment(command=given(body)))
    return call.queued()


def _allocations(given: list[NewAllocation] | None) -> tuple[AllocationInput, ...] | None:
    if given is None:
        return None
    return tuple(AllocationInput(one.invoice_id, one.amount) for one in given)
