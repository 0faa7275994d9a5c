"""What a payment provider's module does: say who sent a delivery, what it is, what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from backend.webhooks.events import EmailReturned, ProviderEvent

# Of a delivery; the names in lower case.
Headers = Mapping[str, str]
Json = dict[str, Any]

TOLERANCE_SECONDS = 5 * 60  # between the provider's clock and ours, either way
HEADER_LENGTH_MAX = 300
SECRET_LENGTH_MAX = 500  # with room for its encryption in the column


class NotAuthentic(Exception):
    """The signature does not prove who sent it; the text says why, for support alone."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which event it is, by the provider's own id for ever, and of which type."""

    event_id: str
    event_type: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that we do not use, and why."""

    reason: str


class Provider(Protocol):
    """One payment provider. Its `name` is part of the addresses."""

    name: str

    def prepare(self) -> None:
        """Load what is slow to load, before the first delivery waits for it."""

    def check_secret(self, secret: str) -> None:
        """Raise InvalidInput for a secret that this provider cannot have given."""

    def require_headers(self, headers: Headers) -> None:
        """Raise InvalidInput when a header is missing without which no event has an id."""

    def verify(self, body: bytes, headers: Headers, secrets: Sequence[str], now: datetime) -> None:
        """Raise NotAuthentic unless one of the secrets signed it within the tolerance of `now`."""

    def identify(self, body: Json, headers: Headers) -> Identity:
        """The event's identity. Raises InvalidInput."""

    def normalise(
        self, body: Json, received_at: datetime
    ) -> ProviderEvent | EmailReturned | Ignored:
        """What it says, in our words. Raises InvalidInput with what is wrong, for a person."""

    def explain(self, headers: Headers) -> dict[str, str]:
        """The headers worth keeping, with signatures blanked out."""


def printable(value: str) -> str:
    """A header as it may be kept and shown."""
    kept = "".join(one if one.isprintable() else "�" for one in value[:HEADER_LENGTH_MAX])
    return kept.encode("utf-8", "replace").decode()
