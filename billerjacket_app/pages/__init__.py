"""The pages, one module each with its own State and `register(app)`."""

from billerjacket_app.pages import (
    customer,
    customers,
    dashboard,
    invoice,
    invoices,
    login,
    mailbox,
    new_invoice,
    not_found,
    payment,
    payments,
    register,
    support_dlq,
    support_dlq_archive,
    support_dlq_job,
    support_dlq_letter,
    support_trace,
)

ALL = (
    login,
    register,
    dashboard,
    customers,
    customer,
    # Before the page of one invoice, whose path would match it.
    new_invoice,
    invoices,
    invoice,
    payments,
    payment,
    mailbox,
    support_dlq,
    # Before the page of one dead letter, whose path would match theirs.
    support_dlq_job,
    support_dlq_archive,
    support_dlq_letter,
    support_trace,
    not_found,
)
