"""What comes in and goes out: models of request bodies and queries, and of answers."""
