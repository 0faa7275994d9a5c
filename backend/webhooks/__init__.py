"""Webhook endpoints and stored provider events."""
