"""E-mails: templates, mailers, and what was sent."""
