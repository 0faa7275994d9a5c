"""The pages, one module each with its own State and `register(app)`."""

from billerjacket_app.pages import customers, invoice, invoices, login, new_invoice, register

ALL = (login, register, customers, new_invoice, invoice, invoices)
