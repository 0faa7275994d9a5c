"""The worker: relay, consumers, scheduler."""
