"""Where the queues are and how to prove that we may use them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from azure.servicebus.aio import ServiceBusClient
from pydantic import SecretStr

from backend.messaging.servicebus import sdk_logs
from backend.messaging.servicebus.broker import Broker
from backend.messaging.servicebus.browsing import OPEN_MAX, OPEN_MAX_OF_FEW
from backend.messaging.servicebus.pace import Pace

# Which of several managed identities to use; Azure's own name for it.
_CLIENT_ID = "AZURE_CLIENT_ID"


@dataclass(frozen=True, slots=True)
class Namespace:
    """Either a connection string, or a host name for which a managed identity has rights.

    Outside of production an identity may also be a developer's own sign-in.
    """

    connection_string: SecretStr | None = None
    host: str | None = None
    is_production: bool = True

    async def open(self, pace: Pace) -> Broker:
        """The broker's end on the running event loop; nothing is connected yet."""
        sdk_logs.route()
        # It is links.Link that tries again; the SDK's own retries do not know of each other.
        options: dict[str, Any] = {"retry_total": 0, "try_timeout": pace.attempt}
        if self.connection_string is not None:
            given = self.connection_string.get_secret_value()
            client = ServiceBusClient.from_connection_string(given, **options)
            few = "usedevelopmentemulator=true" in given.lower()
            browsers_max = OPEN_MAX_OF_FEW if few else OPEN_MAX
            return Broker(client, None, pace, browsers_max=browsers_max)
        assert self.host is not None, "neither a connection string nor a host"
        credential = self._credential()
        client = ServiceBusClient(self.host, credential, **options)
        return Broker(client, credential, pace, browsers_max=OPEN_MAX)

    def _credential(self) -> Any:
        # Imported where it is needed: it brings much along.
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

        if self.is_production:
            return ManagedIdentityCredential(client_id=os.environ.get(_CLIENT_ID))
        return DefaultAzureCredential()
