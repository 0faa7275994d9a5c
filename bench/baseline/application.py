"""Baseline: the FastAPI application, and a bare route that answers from memory."""

from __future__ import annotations

import json
import os
from typing import Any

from fastapi import FastAPI, Response

from bench.baseline import invoices, payments

app = FastAPI()
app.include_router(payments.router)
app.include_router(invoices.router)

# What the bare routes answer: one invoice, as our API gave it.
INVOICE = os.environ.get("BENCH_INVOICE", "{}")
_PARSED: dict[str, Any] = json.loads(INVOICE)


@app.get("/memory/invoices/{invoice_id}")
async def invoice_from_memory(invoice_id: str) -> dict[str, Any]:
    """The invoice, written as JSON by FastAPI."""
    return _PARSED


@app.get("/memory/text/{invoice_id}")
async def text_from_memory(invoice_id: str) -> Response:
    """The invoice as text that is there already: no JSON to write at all."""
    return Response(INVOICE, media_type="application/json")
