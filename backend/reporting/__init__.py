"""Read models: dashboard, aging, summaries."""
