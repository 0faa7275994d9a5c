"""Invoices: draft, change, send, void, cancel; read as JSON or PDF."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from backend.actor import Action
from backend.api import render
from backend.api.calls import Call, answered
from backend.api.endpoints import Endpoints
from backend.api.replies import Reply, ok
from backend.api.schemas.invoices import (
    InvoiceChanges,
    InvoiceOut,
    InvoicePage,
    InvoiceQuery,
    NewInvoice,
    NewLine,
    Reason,
)
from backend.api.schemas.reports import Entries
from backend.invoices.document import build_invoice_document
from backend.invoices.pdf import render_invoice_pdf
from backend.invoices.queries import InvoiceFilter, get_invoice, list_invoices
from backend.invoices.service import (
    CreateInvoice,
    LineInput,
    cancel_invoice,
    create_invoice,
    send_invoice,
    update_invoice,
    void_invoice,
)
from backend.reporting.timeline import list_invoice_timeline

endpoints = Endpoints("Invoices")
_INVOICE = "/api/invoices/{invoice_id}"


@endpoints(
    "POST",
    "/api/invoices",
    Action.INVOICES_WRITE,
    status=201,
    answer=InvoiceOut,
    answers="The new draft.",
)
async def draft_invoice(call: Call, body: NewInvoice) -> Reply:
    """Make a draft. It has no number and owes nothing until it is sent."""
    command = CreateInvoice(**dict(body) | {"line_items": _lines(body.line_items)})
    return await call.write(
        lambda work: answered(
            render.invoice(view := create_invoice(work, command)),
            status=201,
            location=f"/api/invoices/{view.invoice_id}",
        ),
        body=body,
    )


@endpoints("GET", "/api/invoices", Action.READ, answer=InvoicePage, answers="A page of invoices.")
async def get_invoices(call: Call, query: Annotated[InvoiceQuery, Query()]) -> Reply:
    """List invoices, newest first."""
    narrowed = InvoiceFilter(
        status=query.status,
        customer_id=query.customer_id,
        due_before=query.due_before,
        due_after=query.due_after,
        external_reference_id=query.external_reference_id,
        q=query.q,
    )
    found = await call.read(list_invoices, narrowed, limit=query.limit, cursor=query.cursor)
    return ok(render.page(found, render.invoice))


@endpoints("GET", _INVOICE, Action.READ, answer=InvoiceOut, answers="The invoice.")
async def get_one_invoice(call: Call, invoice_id: UUID) -> Reply:
    """Read an invoice with its lines."""
    return ok(render.invoice(await call.read_by_key(get_invoice, invoice_id)))


@endpoints(
    "GET",
    f"{_INVOICE}/pdf",
    Action.READ,
    answers="The invoice as a PDF, in its present state.",
    media_type="application/pdf",
)
async def get_invoice_pdf(call: Call, invoice_id: UUID) -> Reply:
    """Read an invoice as a PDF."""
    document = await call.read(build_invoice_document, invoice_id)
    content = await asyncio.to_thread(render_invoice_pdf, document)
    named = f'inline; filename="{document.file_name}"'
    return Reply(
        200, content, b"application/pdf", ((b"content-disposition", named.encode("ascii")),)
    )


@endpoints(
    "GET",
    f"{_INVOICE}/timeline",
    Action.READ,
    answer=Entries,
    answers="Everything that happened to the invoice, the oldest first.",
)
async def get_invoice_timeline(call: Call, invoice_id: UUID) -> Reply:
    """Read what happened to an invoice: states, payments, e-mails, holds, failures."""
    found = await call.read(list_invoice_timeline, invoice_id)
    return ok({"items": [render.entry(one) for one in found]})


@endpoints(
    "PATCH",
    _INVOICE,
    Action.INVOICES_WRITE,
    answer=InvoiceOut,
    answers="The draft as it is now.",
    problems={409: "`invoice_not_draft`: a sent invoice never changes."},
)
async def change_invoice(call: Call, invoice_id: UUID, body: InvoiceChanges) -> Reply:
    """Change a draft. A field that is left out stays; `line_items` replaces all lines."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if body.line_items is not None:
        changes["line_items"] = _lines(body.line_items)
    return await call.write(
        lambda work: answered(render.invoice(update_invoice(work, invoice_id, changes)))
    )


@endpoints(
    "POST",
    f"{_INVOICE}/send",
    Action.INVOICES_WRITE,
    answer=InvoiceOut,
    answers="The invoice, sent.",
    problems={409: "`invoice_not_draft`: it is sent already."},
)
async def send_one_invoice(call: Call, invoice_id: UUID) -> Reply:
    """Send a draft: it gets the next number, enters the books, and its e-mail is queued."""
    return await call.write(lambda work: answered(render.invoice(send_invoice(work, invoice_id))))


@endpoints(
    "POST",
    f"{_INVOICE}/void",
    Action.INVOICES_WRITE,
    answer=InvoiceOut,
    answers="The invoice, void.",
    problems={409: "`illegal_transition` or `invoice_has_payments`: its state does not permit it."},
)
async def void_one_invoice(call: Call, invoice_id: UUID, body: Reason) -> Reply:
    """Declare an invoice never to have been. A sent one needs the role admin."""
    return await call.write(
        lambda work: answered(render.invoice(void_invoice(work, invoice_id, body.reason))),
        body=body,
    )


@endpoints(
    "POST",
    f"{_INVOICE}/cancel",
    Action.INVOICES_WRITE,
    answer=InvoiceOut,
    answers="The invoice, cancelled.",
    problems={409: "`illegal_transition` or `invoice_has_payments`: its state does not permit it."},
)
async def cancel_one_invoice(call: Call, invoice_id: UUID, body: Reason) -> Reply:
    """Call off a sent invoice that nobody has paid on."""
    return await call.write(
        lambda work: answered(render.invoice(cancel_invoice(work, invoice_id, body.reason))),
        body=body,
    )


def _lines(lines: list[NewLine]) -> list[LineInput]:
    return [
        LineInput(line.description, line.quantity, line.unit_price, line.tax_rate) for line in lines
    ]
