"""Invoices: what is owed."""
