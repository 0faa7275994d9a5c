"""The pages, one module each with its own State and `register(app)`."""

from billerjacket_app.pages import customers, invoices, login, register

ALL = (login, register, customers, invoices)
