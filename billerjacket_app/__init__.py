"""The operator's app: screens in Reflex, mounted together with the HTTP API on one port."""
