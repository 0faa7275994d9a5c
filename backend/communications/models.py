"""Tables of e-mails: what was said to whom, about which invoices, with what attached."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from backend.db.tables import TenantRow, owned, reference, table_of
from backend.db.types import Id, LongText, Text, UtcInstant, choice


class Channel(StrEnum):
    """How it was said."""

    EMAIL = "email"


class CommunicationType(StrEnum):
    """What it was about."""

    INVOICE = "invoice"
    DUNNING = "dunning"
    RECEIPT = "receipt"
    OTHER = "other"


class CommunicationStatus(StrEnum):
    """Where it stands."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Communication(TenantRow, table=True):
    """One e-mail. Subject and bodies are filled in when it is rendered, just before it is sent.

    `reminded_on` is the tenant's day that a reminder counts for in the gap between two. Until
    `sending_until` one worker is handing it over, and no other does. `template_problem` says why
    the tenant's own template was passed over for the one that comes with BillerJacket.
    """

    __tablename__ = "communications"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        reference("payment_id", "payments"),
        reference("dunning_run_id", "dunning_runs"),
        sa.Index("ix_communications__created", "tenant_id", "row_id"),
        sa.Index("ix_communications__customer", "tenant_id", "customer_id", "row_id"),
        sa.Index("ix_communications__correlation_id", "tenant_id", "correlation_id"),
        # Whether a customer had a reminder lately.
        sa.Index(
            "ix_communications__reminded",
            "tenant_id",
            "customer_id",
            "reminded_on",
            sqlite_where=sa.text("reminded_on IS NOT NULL"),
            mssql_where=sa.text("reminded_on IS NOT NULL"),
        ),
        # A run of dunning writes one e-mail to a customer.
        sa.Index(
            "uq_communications__dunning_run",
            "tenant_id",
            "dunning_run_id",
            "customer_id",
            unique=True,
            sqlite_where=sa.text("dunning_run_id IS NOT NULL"),
            mssql_where=sa.text("dunning_run_id IS NOT NULL"),
        ),
        # One message makes one communication, however often it is delivered.
        sa.Index(
            "uq_communications__source",
            "tenant_id",
            "source_message_id",
            unique=True,
            sqlite_where=sa.text("source_message_id IS NOT NULL"),
            mssql_where=sa.text("source_message_id IS NOT NULL"),
        ),
    )

    customer_id: UUID = Field(sa_type=Id)
    payment_id: UUID | None = Field(default=None, sa_type=Id)
    dunning_run_id: UUID | None = Field(default=None, sa_type=Id)
    channel: Channel = Field(sa_type=choice(Channel, "channel"))
    type: CommunicationType = Field(sa_type=choice(CommunicationType, "type"))
    status: CommunicationStatus = Field(sa_type=choice(CommunicationStatus, "status"))
    to_address: str = Field(sa_type=Text(254))
    template_key: str = Field(sa_type=Text(64))
    step_number: int | None = Field(default=None, sa_type=sa.Integer)
    subject: str = Field(sa_type=Text(500))
    text_body: str = Field(sa_type=LongText)
    html_body: str = Field(sa_type=LongText)
    source_message_id: UUID | None = Field(default=None, sa_type=Id)
    provider_id: str | None = Field(default=None, sa_type=Text(300))
    error: str | None = Field(default=None, sa_type=Text(1000))
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)
    sent_at: datetime | None = Field(default=None, sa_type=UtcInstant)
    reminded_on: date | None = Field(default=None, sa_type=sa.Date)
    sending_until: datetime | None = Field(default=None, sa_type=UtcInstant)
    template_problem: str | None = Field(default=None, sa_type=Text(300))
    version: int = Field(sa_type=sa.Integer)


class CommunicationInvoice(TenantRow, table=True):
    """An invoice that a communication is about."""

    __tablename__ = "communication_invoices"
    __table_args__: ClassVar[Any] = owned(
        reference("communication_id", "communications"),
        reference("invoice_id", "invoices"),
        sa.UniqueConstraint("tenant_id", "communication_id", "invoice_id"),
        # With the communication in it, so that an invoice's e-mails are found in the index alone.
        sa.Index(
            "ix_communication_invoices__invoice", "tenant_id", "invoice_id", "communication_id"
        ),
    )

    communication_id: UUID = Field(sa_type=Id)
    invoice_id: UUID = Field(sa_type=Id)


class CommunicationAttachment(TenantRow, table=True):
    """A file that went with a communication; `content` is kept for the built-in mailbox."""

    __tablename__ = "communication_attachments"
    __table_args__: ClassVar[Any] = owned(
        reference("communication_id", "communications"),
        sa.Index("ix_communication_attachments__communication", "tenant_id", "communication_id"),
        sa.CheckConstraint("size >= 0", name="size"),
    )

    communication_id: UUID = Field(sa_type=Id)
    filename: str = Field(sa_type=Text(200))
    content_type: str = Field(sa_type=Text(100))
    size: int = Field(sa_type=sa.Integer)
    sha256: str = Field(sa_type=Text(64))
    content: bytes | None = Field(default=None, sa_type=sa.LargeBinary)


class ReturnKind(StrEnum):
    """What came back: the mail itself, or a complaint about it."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"


class EmailReturn(TenantRow, table=True):
    """Word that an address does not take our mail, or does not want it, and who said so."""

    __tablename__ = "email_returns"
    __table_args__: ClassVar[Any] = owned(
        reference("customer_id", "customers"),
        reference("communication_id", "communications"),
        sa.Index("ix_email_returns__customer", "tenant_id", "customer_id", "row_id"),
    )

    customer_id: UUID = Field(sa_type=Id)
    communication_id: UUID | None = Field(default=None, sa_type=Id)
    address: str = Field(sa_type=Text(254))
    kind: ReturnKind = Field(sa_type=choice(ReturnKind, "kind"))
    detail: str = Field(sa_type=Text(500))
    source: str = Field(sa_type=Text(50))
    correlation_id: str = Field(sa_type=Text(128))
    created_at: datetime = Field(sa_type=UtcInstant)


class EmailTemplate(TenantRow, table=True):
    """A tenant's own wording of an e-mail, in place of the one that comes with BillerJacket."""

    __tablename__ = "email_templates"
    __table_args__: ClassVar[Any] = owned(sa.UniqueConstraint("tenant_id", "template_key"))

    template_key: str = Field(sa_type=Text(64))
    name: str = Field(sa_type=Text(100))
    subject: str = Field(sa_type=Text(500))
    text_body: str = Field(sa_type=LongText)
    html_body: str = Field(sa_type=LongText)
    created_at: datetime = Field(sa_type=UtcInstant)
    updated_at: datetime = Field(sa_type=UtcInstant)
    version: int = Field(sa_type=sa.Integer)


COMMUNICATIONS = table_of(Communication)
COMMUNICATION_INVOICES = table_of(CommunicationInvoice)
COMMUNICATION_ATTACHMENTS = table_of(CommunicationAttachment)
EMAIL_RETURNS = table_of(EmailReturn)
EMAIL_TEMPLATES = table_of(EmailTemplate)
