"""Imports every module that holds tables, so that `METADATA` is complete."""

from __future__ import annotations

from sqlmodel import SQLModel

import backend.audit
import backend.communications.models
import backend.customers.models
import backend.dunning.models
import backend.health.models
import backend.idempotency
import backend.identity.account_models
import backend.identity.models
import backend.invoices.models
import backend.ledger.models
import backend.messaging.models
import backend.payments.models
import backend.scheduling
import backend.support.models
import backend.tenants.models
import backend.webhooks.models  # noqa: F401

METADATA = SQLModel.metadata
