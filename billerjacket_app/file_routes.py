"""Files for the person signed in: an invoice's PDF, an e-mail's attachments.

The browser asks with its session cookie; the HTTP API serves the same files to API keys.
"""

from __future__ import annotations

from fastapi import FastAPI

files = FastAPI(title="Files", docs_url=None, redoc_url=None, openapi_url=None)
