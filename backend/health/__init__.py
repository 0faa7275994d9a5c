"""Whether messages move: what waits in the queues, and whether a worker is there to do it."""
