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
    support_trace,
    not_found,
)
