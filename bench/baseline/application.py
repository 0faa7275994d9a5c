"""Baseline: the FastAPI application, and bare routes that answer from memory or store a row."""

from __future__ import annotations

import json
import os
from typing import Any

from fastapi import FastAPI

from bench.baseline import invoices, payments, webhooks

app = FastAPI()
app.include_router(payments.router)
app.include_router(invoices.router)
app.include_router(webhooks.router)

# What the bare route answers: one invoice, as our API gave it.
_INVOICE: dict[str, Any] = json.loads(os.environ.get("BENCH_INVOICE", "{}"))


@app.get("/memory/invoices/{invoice_id}")
async def invoice_from_memory(invoice_id: str) -> dict[str, Any]:
    """The invoice; FastAPI writes it as JSON."""
    return _INVOICE
