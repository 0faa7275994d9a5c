"""Payments: money received, allocated, reversed."""
