"""Every address in one place: the pages' paths, and builders for links with their filters.

Filters, sort and page live in the address, so each builder takes them by name and leaves out
what is empty: `invoices(status="overdue", sort="-balance")` → `/invoices?status=overdue&sort=…`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

LOGIN = "/login"
REGISTER = "/register"
SETUP = "/setup"
FORGOT_PASSWORD = "/forgot-password"  # noqa: S105 (an address)
RESET_PASSWORD = "/reset-password"  # noqa: S105 (an address)
ACCOUNT = "/account"
DASHBOARD = "/"
CUSTOMERS = "/customers"
CUSTOMER = "/customers/[customer_id]"
INVOICES = "/invoices"
NEW_INVOICE = "/invoices/new"
INVOICE = "/invoices/[invoice_id]"
PAYMENTS = "/payments"
PAYMENT = "/payments/[payment_id]"
DUNNING = "/dunning"
DUNNING_RUN = "/dunning/runs/[run_id]"
NEW_PLAN = "/dunning/plans/new"
PLAN = "/dunning/plans/[plan_id]"
MAILBOX = "/mailbox"
ACTIVITY = "/activity"
WORKLIST = "/dunning/worklist"
TEMPLATES = "/dunning/templates"
TEMPLATE = "/dunning/templates/[template_key]"
REPORTS = "/reports"
SETTINGS = "/settings"
WEBHOOKS = "/support/webhooks"
WEBHOOK = "/support/webhooks/[webhook_event_id]"
DEAD_LETTERS = "/support/dlq"
DEAD_LETTER = "/support/dlq/[queue_name]/[sequence]"
DEAD_LETTER_JOB = "/support/dlq/jobs/[job_id]"
DEAD_LETTER_ARCHIVE = "/support/dlq/archive"
ARCHIVED_LETTER = "/support/dlq/archive/[archive_id]"
TRACE = "/support/trace"

# Pages anyone may open; every other page asks for a session.
PUBLIC = frozenset({LOGIN, REGISTER, FORGOT_PASSWORD, RESET_PASSWORD})


def with_query(path: str, query: Mapping[str, object]) -> str:
    """The path with what is not empty in the query, in the order given."""
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def customers(*, q: str = "", cursor: str = "") -> str:
    """The list of customers."""
    return with_query(CUSTOMERS, {"q": q, "cursor": cursor})


def customer(customer_id: object) -> str:
    """One customer."""
    return f"{CUSTOMERS}/{customer_id}"


def invoices(**query: object) -> str:
    """The list of invoices: status, q, customer_id, due_after, due_before, sort, cursor."""
    return with_query(INVOICES, query)


def invoice(invoice_id: object) -> str:
    """One invoice."""
    return f"{INVOICES}/{invoice_id}"


def new_invoice(*, customer_id: object = "") -> str:
    """The form for a new invoice, for this customer when one is given."""
    return with_query(NEW_INVOICE, {"customer_id": customer_id})


def payments(**query: object) -> str:
    """The list of payments: status, customer_id, invoice_id, cursor."""
    return with_query(PAYMENTS, query)


def payment(payment_id: object) -> str:
    """One payment."""
    return f"{PAYMENTS}/{payment_id}"


def dunning(**query: object) -> str:
    """Chasing: show (next, now, all), reason, page, part, cursor."""
    return with_query(DUNNING, query)


def dunning_run(run_id: object, **query: object) -> str:
    """One run of chasing: cursor."""
    return with_query(f"{DUNNING}/runs/{run_id}", query)


def plan(plan_id: object) -> str:
    """One plan of chasing."""
    return f"{DUNNING}/plans/{plan_id}"


def mailbox(**query: object) -> str:
    """The mailbox: type, status, open (the e-mail shown), cursor."""
    return with_query(MAILBOX, query)


def dead_letters(**query: object) -> str:
    """Dead letters: queue, reason, type, tenant_id, q, cursor. Without any of them, all."""
    return with_query(DEAD_LETTERS, query)


def dead_letter(queue: object, sequence_number: object) -> str:
    """One dead letter, by its queue and its number there."""
    return f"{DEAD_LETTERS}/{queue}/{sequence_number}"


def dead_letter_job(job_id: object, **query: object) -> str:
    """What is being done, or was done, with many dead letters at once."""
    return with_query(f"{DEAD_LETTERS}/jobs/{job_id}", query)


def dead_letter_archive(**query: object) -> str:
    """The dead letters that were discarded: queue, q, cursor."""
    return with_query(DEAD_LETTER_ARCHIVE, query)


def archived_letter(archive_id: object) -> str:
    """One discarded letter."""
    return f"{DEAD_LETTER_ARCHIVE}/{archive_id}"


def dead_letter_export(**query: object) -> str:
    """A file with the dead letters that the filters find."""
    return with_query("/files/dead-letters.jsonl", query)


def activity(**query: object) -> str:
    """The log: entity_type, entity_id, action, actor, correlation_id, since, until, cursor."""
    return with_query(ACTIVITY, query)


def activity_export(**query: object) -> str:
    """A file with the entries of the audit log that the filters find."""
    return with_query("/files/activity.csv", query)


def worklist(**query: object) -> str:
    """Whom to call: reason, q, sort, cursor."""
    return with_query(WORKLIST, query)


def template(template_key: object, **query: object) -> str:
    """The editor of one e-mail template: show, theme, width, invoice."""
    return with_query(f"{TEMPLATES}/{template_key}", query)


def reports(**query: object) -> str:
    """What chasing brings: since, until, and the rows behind one measure (measure, step, …)."""
    return with_query(REPORTS, query)


def webhooks(**query: object) -> str:
    """Events of payment providers: provider, status, signature, type, event, endpoint, cursor."""
    return with_query(WEBHOOKS, query)


def webhook(webhook_event_id: object) -> str:
    """One event of a payment provider."""
    return f"{WEBHOOKS}/{webhook_event_id}"


def login(*, then: str = "", problem: str = "") -> str:
    """The sign-in page, which leads on to `then`."""
    return with_query(LOGIN, {"next": "" if then == DASHBOARD else then, "problem": problem})


def entra(*, then: str = "") -> str:
    """The way to Microsoft, which leads on to `then`."""
    return with_query("/auth/entra", {"next": "" if then == DASHBOARD else then})


def trace(any_id: object, **query: object) -> str:
    """Everything that is known about an id, a correlation id or another; page."""
    return with_query(TRACE, {"id": any_id, **query})


def safe_next(target: str) -> str:
    """Where to go after signing in: a path of this app, never another site."""
    parts = urlsplit(target)
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    if not plain or parts.scheme or parts.netloc or any(ord(c) < 32 for c in target):
        return DASHBOARD
    if parts.path.rstrip("/") in PUBLIC or parts.path.startswith(("/api/", "/auth/")):
        return DASHBOARD
    return quote(target, safe="/?&=%:+-_.~,@[]")
