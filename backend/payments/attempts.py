"""Every attempt to pay is kept, the failed ones with their code and message."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from backend.db.statements import TENANT, Statement
from backend.errors import Refused
from backend.ids import new_id
from backend.payments.models import PAYMENT_ATTEMPTS, AttemptOutcome, PaymentMethod
from backend.unit_of_work import Reader, UnitOfWork

_T = PAYMENT_ATTEMPTS
_ADD = Statement(sa.insert(_T))
_FIND_EXTERNAL = Statement(
    sa.select(_T.c.id).where(
        _T.c.tenant_id == TENANT,
        _T.c.external_provider == sa.bindparam("external_provider"),
        _T.c.external_payment_id == sa.bindparam("external_payment_id"),
        _T.c.external_at == sa.bindparam("external_at"),
    )
)


def has_external_attempt(
    reader: Reader, provider: str, external_payment_id: str, external_at: datetime
) -> bool:
    """Whether a provider's attempt of that instant (its own clock, UTC) is kept already."""
    found = reader.scalar(
        _FIND_EXTERNAL,
        external_provider=provider,
        external_payment_id=external_payment_id,
        external_at=external_at,
    )
    return found is not None


def record_attempt(
    work: UnitOfWork,
    *,
    amount: Decimal,
    currency_code: str,
    method: PaymentMethod,
    customer_id: UUID | None,
    invoice_id: UUID | None,
    payment_id: UUID | None = None,
    external: tuple[str | None, str | None] = (None, None),
    external_at: datetime | None = None,
    failure: Refused | None = None,
) -> None:
    """Add an attempt: succeeded with its payment, or failed with why. `external` = provider, id.

    `external_at` is the provider's own time of what it told us about.
    """
    work.execute(
        _ADD,
        id=new_id(),
        payment_id=payment_id,
        customer_id=customer_id,
        invoice_id=invoice_id,
        amount=amount,
        currency_code=currency_code,
        method=method,
        outcome=AttemptOutcome.SUCCEEDED if failure is None else AttemptOutcome.FAILED,
        failure_code=None if failure is None else failure.code[:64],
        failure_message=None if failure is None else failure.detail[:500],
        external_provider=external[0],
        external_payment_id=external[1],
        external_at=external_at,
        correlation_id=work.actor.correlation_id,
        at=work.now,
    )
