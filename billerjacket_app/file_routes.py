"""Files for the person signed in: an invoice's PDF, an e-mail's attachments, dead letters.

The browser asks with its session cookie; the HTTP API serves the same files to API keys. Always
as a download that no browser guesses about, so that a file can never act as a page of ours.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from backend.actor import Actor, PlatformActor
from backend.communications.queries import get_attachment
from backend.errors import BillerJacketError, InvalidInput, NotAllowed, NotFound
from backend.ids import new_id
from backend.invoices.document import InvoiceDocument, build_invoice_document
from backend.invoices.pdf import render_invoice_pdf
from backend.support.export import export_letters
from backend.unit_of_work import Reader, read_async
from billerjacket_app import bridge, routes
from billerjacket_app.pages.support_dlq_list import FILTERS, filter_of
from billerjacket_app.session import person_of

_STATUS = {NotFound: 404, NotAllowed: 403, InvalidInput: 422}

files = FastAPI(title="Files", docs_url=None, redoc_url=None, openapi_url=None)


class _SignIn(Exception):
    """Nobody is signed in: lead to the sign-in page, and back."""


@files.exception_handler(_SignIn)
def _to_sign_in(request: Request, _error: _SignIn) -> RedirectResponse:
    return RedirectResponse(routes.login(then=routes.safe_next(request.url.path)), 303)


@files.exception_handler(BillerJacketError)
def _say_why(_request: Request, error: BillerJacketError) -> Response:
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 503)
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


@files.get("/files/dead-letters.jsonl")
async def dead_letters(request: Request) -> Response:
    """The dead letters that the filters find, one JSON object a line, as they are read."""
    known = bridge.services()
    actor = await _person(request)
    wanted = filter_of({name: request.query_params.get(name, "") for name in FILTERS})
    lines: Iterator[bytes] = await asyncio.to_thread(
        export_letters, known.db, known.transport, actor, wanted
    )
    name = f"dead-letters-{known.db.clock():%Y-%m-%d}.jsonl"
    return StreamingResponse(lines, media_type="application/jsonl", headers=_download_headers(name))


async def _read(request: Request, query: Callable[..., Any], *args: Any) -> Any:
    actor = await _person(request)
    if not isinstance(actor, Actor):
        raise NotAllowed("You are signed in for the platform, not for a business.")

    def asked(reader: Reader) -> Any:
        return query(reader, *args)

    return await read_async(bridge.services().db, actor, asked)


async def _person(request: Request) -> Actor | PlatformActor:
    person = await person_of(bridge.services().db, request.headers.get("cookie"))
    if person is None:
        raise _SignIn
    return person.actor(new_id().hex)


def _download(filename: str, content_type: str, content: bytes) -> Response:
    return Response(content, media_type=content_type, headers=_download_headers(filename))


def _download_headers(filename: str) -> dict[str, str]:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", filename)
    return {
        "Content-Disposition": f'attachment; filename="{plain}"; '
        f"filename*=UTF-8''{quote(filename)}",
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
