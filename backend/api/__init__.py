"""The service API over HTTP."""
