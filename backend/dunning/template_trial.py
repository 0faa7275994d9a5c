"""Trying a wording before customers see it: on a real invoice, and by an e-mail to oneself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action
from backend.checks import optional_email
from backend.communications.contexts import (
    OpenInvoice,
    PaidInvoice,
    dunning_context,
    issuer_of,
    receipt_context,
)
from backend.communications.letters import Letter
from backend.communications.models import CommunicationType
from backend.communications.samples import sample_context
from backend.communications.service import queue_email
from backend.communications.template_store import (
    checked_source,
    discard_wording,
    get_template,
    tidied,
)
from backend.communications.templates import (
    SUBJECT_CHARACTERS_MAX,
    RenderedEmail,
    TemplateKey,
    TemplateSource,
    Value,
    known_key,
    render,
)
from backend.communications.wording import single_line
from backend.customers.queries import get_customer, list_customers
from backend.db.statements import TENANT, Statement
from backend.dunning.models import DUNNING_PLANS, DUNNING_STEPS
from backend.errors import InvalidInput, RuleRefused, StateConflict
from backend.invoices.letters import invoice_letter
from backend.invoices.models import InvoiceHold
from backend.invoices.queries import InvoiceView, get_invoice
from backend.messaging.contracts import EmailSendRequested
from backend.money import ZERO
from backend.unit_of_work import Reader, UnitOfWork

TEST_MARK = "[Test] "

_STEP, _PLAN = DUNNING_STEPS, DUNNING_PLANS
_PLANS_WITH = Statement(
    sa.select(_PLAN.c.name)
    .join(_STEP, sa.and_(_STEP.c.tenant_id == _PLAN.c.tenant_id, _STEP.c.plan_id == _PLAN.c.id))
    .where(_PLAN.c.tenant_id == TENANT, _STEP.c.template_key == sa.bindparam("key"))
    .distinct()
    .order_by(_PLAN.c.name)
)


def preview_template(
    reader: Reader, template_key: str, source: TemplateSource, invoice_id: UUID | None
) -> RenderedEmail:
    """What this wording makes of an invoice, or of a sample when none is named.

    A receipt is shown as if the invoice were paid today. Raises NotFound, and InvalidInput naming
    the part (subject, text, html) that is broken.
    """
    reader.actor.require(Action.READ)
    get_template(reader, template_key)
    return render(template_key, _context(reader, template_key, invoice_id), tidied(source))


def send_test(
    work: UnitOfWork,
    template_key: str,
    source: TemplateSource,
    invoice_id: UUID | None,
    to: str,
) -> UUID:
    """Send the preview to somebody of one's own, marked as a test; the communication's id.

    It stands with the customer's e-mails, for it shows their data, but is about no invoice of
    theirs and is no reminder. Raises what the preview and saving raise, and RuleRefused
    (no_customer_yet) when there is nobody under whom to keep it.
    """
    work.actor.require(Action.DUNNING_WRITE)
    address = optional_email(to, field="to")
    if address is None:
        raise InvalidInput.of("to", "must not be empty")
    source = checked_source(template_key, source)
    email = preview_template(work, template_key, source, invoice_id)
    subject = single_line(TEST_MARK + email.subject, characters_max=SUBJECT_CHARACTERS_MAX)
    letter = Letter(
        type=CommunicationType.OTHER,
        template_key=template_key,
        customer_id=_customer_of(work, invoice_id),
        to_address=address,
        from_name=work.tenant.name,
        invoice_ids=(),
        ready=replace(email, subject=subject),
        reply_to=work.tenant.reply_to_email,
    )
    communication_id = queue_email(work, letter)
    work.send(EmailSendRequested(communication_id=communication_id))
    return communication_id


def reset_template(work: UnitOfWork, template_key: str) -> None:
    """Go back to the default wording; a reminder of the tenant's own is removed.

    Raises NotFound, NotAllowed, StateConflict (template_in_use) while a plan names it.
    """
    work.actor.require(Action.DUNNING_WRITE)
    if known_key(template_key) is None:
        plans = [row.name for row in work.rows(_PLANS_WITH, key=template_key)]
        if plans:
            raise StateConflict(
                f"A step of the plan {plans[0]} sends it: give that step another template first.",
                code="template_in_use",
            )
    discard_wording(work, template_key)


def _context(reader: Reader, template_key: str, invoice_id: UUID | None) -> Mapping[str, Value]:
    issuer = issuer_of(reader.tenant)
    if invoice_id is None:
        own: dict[str, Value] = {"issuer_name": issuer.name, "issuer_lines": list(issuer.lines)}
        return {**sample_context(template_key), **own}
    if template_key == TemplateKey.INVOICE:
        return invoice_letter(reader, invoice_id).context
    invoice = get_invoice(reader, invoice_id)
    name = get_customer(reader, invoice.customer_id).display_name
    number = invoice.invoice_number or ""
    if template_key == TemplateKey.RECEIPT:
        return receipt_context(
            issuer,
            name,
            amount=invoice.total_amount,
            unapplied=ZERO,
            received_on=reader.today,
            currency_code=invoice.currency_code,
            invoices=[PaidInvoice(number, invoice.total_amount, ZERO)],
        )
    shown = OpenInvoice(
        number,
        invoice.due_date,
        # One that is paid is shown as it was.
        invoice.balance_due or invoice.total_amount,
        invoice.currency_code,
        _broken_promise(invoice, reader),
    )
    return dunning_context(issuer, name, [shown], today=reader.today)


def _broken_promise(invoice: InvoiceView, reader: Reader) -> date | None:
    if invoice.hold_kind is not InvoiceHold.PROMISE or invoice.hold_until is None:
        return None
    return invoice.hold_until if invoice.hold_until < reader.today else None


def _customer_of(reader: Reader, invoice_id: UUID | None) -> UUID:
    if invoice_id is not None:
        return get_invoice(reader, invoice_id).customer_id
    newest = list_customers(reader, limit=1).items
    if not newest:
        raise RuleRefused("A test can be sent once there is a customer.", code="no_customer_yet")
    return newest[0].customer_id
