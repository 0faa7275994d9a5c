"""Proof that the books agree with themselves and that the audit log is whole."""
