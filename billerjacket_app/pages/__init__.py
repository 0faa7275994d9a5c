"""The pages, one module each with its own State and `register(app)`."""

from billerjacket_app.pages import (
    activity,
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
    settings,
    support_trace,
    webhook,
    webhooks,
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
    activity,
    webhooks,
    webhook,
    support_trace,
    settings,
    not_found,
)
