"""What the worker does with each message type."""
