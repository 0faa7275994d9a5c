"""A Service Bus of our own for tests: AMQP 1.0 over plain TCP, as far as the SDK speaks it.

    with Emulator() as emulator:
        client = ServiceBusClient.from_connection_string(emulator.connection_string)

`server.py` is the way in; `broker.py` is what a queue does; `faults.py` is what can go wrong.
"""

from tests.emulator.server import Counts, Emulator, Seen

__all__ = ["Counts", "Emulator", "Seen"]
