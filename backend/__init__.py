"""BillerJacket: accounts receivable for trades and service businesses."""
