"""The command line: `python -m backend --help`. The worker reads its arguments the same way."""
