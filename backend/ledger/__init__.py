"""The double-entry sub-ledger behind every balance."""
