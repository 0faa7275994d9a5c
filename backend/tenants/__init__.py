"""Tenants: whose books these are, and their settings."""
