"""The payment providers we know: a module for each, and a line here."""

from __future__ import annotations

from backend.errors import NotFound
from backend.webhooks.providers.base import Provider
from backend.webhooks.providers.standard import Standard
from backend.webhooks.providers.stripe import Stripe

_ALL: tuple[Provider, ...] = (
    Stripe(),
    Standard(),
)
PROVIDERS = {provider.name: provider for provider in _ALL}


def provider_called(name: str) -> Provider:
    """The provider of this name; raises NotFound."""
    found = PROVIDERS.get(name)
    if found is None:
        raise NotFound("There is no such payment provider.", code="unknown_provider")
    return found
