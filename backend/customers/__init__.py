"""Customers: who owes."""
