"""Communications, as they go out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from backend.api.fields import Cursor, Id, Limit, one_line
from backend.api.schemas.common import Answer, Body, Instant, Uuid, example
from backend.communications.models import CommunicationStatus, CommunicationType, ReturnKind
from backend.paging import LIMIT_DEFAULT

_HEAD = {
    "communication_id": "0199f0c1-10aa-7d20-91f1-0b8e64a4c733",
    "channel": "email",
    "type": "dunning",
    "status": "sent",
    "to_address": "ap@hilltop.example",
    "subject": "A friendly reminder: invoice INV-000042",
    "customer_id": "0199f0a2-7c1e-7b64-9a41-2f6c1d0e8a55",
    "invoice_ids": ["0199f0a3-02b4-7d0e-8c55-7d1f3a9be410"],
    "step_number": 1,
    "created_at": "2026-04-04T13:00:02.118000Z",
    "sent_at": "2026-04-04T13:00:03.402000Z",
    "error": None,
    "correlation_id": "9a5c2f4be21d4b0c8d5a3f0c1e7b6a42",
}


class CommunicationQuery(Body):
    """Which communications."""

    customer_id: Id | None = None
    invoice_id: Id | None = None
    type: CommunicationType | None = None
    status: CommunicationStatus | None = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


class CommunicationOut(Answer):
    """An e-mail as lists show it. `error` of a queued one is what went wrong at the last try."""

    model_config = example(**_HEAD)

    communication_id: Uuid
    channel: Literal["email"]
    type: Literal["invoice", "dunning", "receipt", "other"]
    status: Literal["queued", "sent", "failed"]
    to_address: str
    subject: str
    customer_id: Uuid
    invoice_ids: list[Uuid]
    step_number: int | None
    created_at: Instant
    sent_at: Instant | None
    error: str | None
    correlation_id: str


class AttachmentOut(Answer):
    """A file that went along; `size` in bytes."""

    filename: str
    content_type: str
    size: int


class CommunicationDetailOut(CommunicationOut):
    """An e-mail with all that was in it; the bodies are empty until it is written.

    `template_problem` says why the tenant's own wording was passed over for the default.
    """

    model_config = example(
        **_HEAD,
        text_body="Dear Hilltop Apartments LLC, …",
        html_body="<!doctype html>…",
        template_problem=None,
        attachments=[
            {"filename": "INV-000042.pdf", "content_type": "application/pdf", "size": 24311}
        ],
    )

    text_body: str
    html_body: str
    template_problem: str | None
    attachments: list[AttachmentOut]


class NewReturn(Body):
    """What came back: the mail itself, for good, or a complaint about it."""

    model_config = example(kind="bounced", detail="550 5.1.1 No such user")

    kind: ReturnKind
    detail: Annotated[str, one_line(500)] | None = Field(
        default=None, description="What the mail server or the recipient said."
    )


class ReturnedOut(Answer):
    """What became of it. Told again, nothing is new and nobody is marked."""

    model_config = example(
        communication_id=_HEAD["communication_id"],
        address="ap@hilltop.example",
        kind="bounced",
        is_new=True,
        marked_customer_ids=[_HEAD["customer_id"]],
    )

    communication_id: Uuid
    address: str
    kind: Literal["bounced", "complained"]
    is_new: bool
    marked_customer_ids: list[Uuid]


class CommunicationPage(Answer):
    """Some communications, newest first."""

    items: list[CommunicationOut]
    next_cursor: str | None
