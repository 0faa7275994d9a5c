"""Message contracts, outbox, queues."""
