"""Files for the person signed in: PDFs, attachments, the audit log, dead letters.

The browser asks with its session cookie; the HTTP API serves the same files to API keys. Always
as a download that no browser guesses about, so that a file can never act as a page of ours.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
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
from backend.reporting.activity import list_activity
from backend.support.export import export_letters
from backend.unit_of_work import read_async
from billerjacket_app import activity_file, bridge, routes
from billerjacket_app.pages import activity_rows, rows, support_dlq_list
from billerjacket_app.pages.webhook_text import get_event_for_support
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


@files.get("/files/webhooks/{webhook_event_id}")
async def webhook_body(request: Request, webhook_event_id: UUID) -> Response:
    """The very bytes that a provider sent."""
    event = await _read(request, get_event_for_support, webhook_event_id)
    return _download(f"{event.head.external_event_id}.json", "application/json", event.payload)


@files.get("/files/activity.csv")
async def activity(request: Request) -> Response:
    """The entries of the audit log that the filters find, newest first."""
    read = await _reading_as(request)
    narrowed = activity_rows.filter_of(_query(request, activity_rows.FILTERS))
    zone = await read(rows.zone_of)
    # What makes no sense is refused now: a file that has begun cannot say so.
    await read(list_activity, narrowed, limit=1)
    return StreamingResponse(
        activity_file.pieces(read, narrowed, zone),
        media_type="text/csv; charset=utf-8",
        headers=_download_headers(await read(activity_file.file_name)),
    )


@files.get("/files/dead-letters.jsonl")
async def dead_letters(request: Request) -> Response:
    """The dead letters that the filters find, one JSON object a line, as they are read."""
    known = bridge.services()
    actor = await _person(request)
    wanted = support_dlq_list.filter_of(_query(request, support_dlq_list.FILTERS))
    lines: Iterator[bytes] = await asyncio.to_thread(
        export_letters, known.db, known.transport, actor, wanted
    )
    name = f"dead-letters-{known.db.clock():%Y-%m-%d}.jsonl"
    return StreamingResponse(lines, media_type="application/jsonl", headers=_download_headers(name))


def _query(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip() for name in names}


async def _read(request: Request, query: Callable[..., Any], *args: Any) -> Any:
    return await (await _reading_as(request))(query, *args)


async def _reading_as(request: Request) -> Callable[..., Awaitable[Any]]:
    """A function that reads as the person signed in. Raises _SignIn, NotAllowed."""
    actor = await _person(request)
    if not isinstance(actor, Actor):
        raise NotAllowed("You are signed in for the platform, not for a business.")

    async def read(query: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await read_async(bridge.services().db, actor, query, *args, **kwargs)

    return read


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
