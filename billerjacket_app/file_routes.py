"""Files for the person signed in: an invoice's PDF, an e-mail's attachments.

The browser asks with its session cookie; the HTTP API serves the same files to API keys. Always
as a download that no browser guesses about, so that a file can never act as a page of ours.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from backend.actor import Actor
from backend.communications.queries import get_attachment
from backend.errors import BillerJacketError, NotAllowed, NotFound
from backend.ids import new_id
from backend.invoices.document import InvoiceDocument, build_invoice_document
from backend.invoices.pdf import render_invoice_pdf
from backend.unit_of_work import Reader, read_async
from billerjacket_app import bridge, routes
from billerjacket_app.session import person_of

files = FastAPI(title="Files", docs_url=None, redoc_url=None, openapi_url=None)


class _SignIn(Exception):
    """Nobody is signed in: lead to the sign-in page, and back."""


@files.exception_handler(_SignIn)
def _to_sign_in(request: Request, _error: _SignIn) -> RedirectResponse:
    return RedirectResponse(routes.login(then=routes.safe_next(request.url.path)), 303)


@files.exception_handler(BillerJacketError)
def _say_why(_request: Request, error: BillerJacketError) -> Response:
    status = 404 if isinstance(error, NotFound) else 403 if isinstance(error, NotAllowed) else 503
    return Response(error.detail, status, media_type="text/plain")


@files.get("/files/invoices/{invoice_id}/pdf")
async def invoice_pdf(request: Request, invoice_id: UUID) -> Response:
    """The invoice as a PDF."""
    document: InvoiceDocument = await _read(request, build_invoice_document, invoice_id)
    content = await asyncio.to_thread(render_invoice_pdf, document)
    return _download(f"{document.number or 'draft'}.pdf", "application/pdf", content)


@files.get("/files/emails/{communication_id}/{attachment_id}")
async def attachment(request: Request, communication_id: UUID, attachment_id: UUID) -> Response:
    """A file that went with an e-mail, where it was kept."""
    kept = await _read(request, get_attachment, communication_id, attachment_id)
    return _download(kept.filename, kept.content_type, kept.content)


async def _read(request: Request, query: Callable[..., Any], *args: Any) -> Any:
    db = bridge.services().db
    person = await person_of(db, request.headers.get("cookie"))
    if person is None:
        raise _SignIn
    actor = person.actor(new_id().hex)
    if not isinstance(actor, Actor):
        raise NotAllowed("You are signed in for the platform, not for a business.")

    def asked(reader: Reader) -> Any:
        return query(reader, *args)

    return await read_async(db, actor, asked)


def _download(filename: str, content_type: str, content: bytes) -> Response:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename)}"
    return Response(
        content,
        media_type=content_type,
        headers={
            "Content-Disposition": disposition,
            "Cache-Control": "private, no-store",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )
