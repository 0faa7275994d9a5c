"""The queues in Azure Service Bus: a Transport over AMQP.

The SDK's asyncio client runs on one event loop in a thread of its own; the transport hands work to
it and waits. Only `sdk` touches what the SDK does not offer in public.
"""
