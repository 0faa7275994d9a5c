"""The built-in mailbox: e-mails are kept in the database and shown in the app; nothing leaves."""

from __future__ import annotations

from backend.communications.mailer import OutgoingEmail, ProviderReceipt


class MailboxMailer:
    """Delivers to the database, where the communication is already written down."""

    @property
    def keeps_contents(self) -> bool:
        """True: the mailbox page offers the attachments."""
        return True

    def deliver(self, email: OutgoingEmail) -> ProviderReceipt:
        """Nothing is left to do; the receipt names the communication."""
        return ProviderReceipt(f"mailbox:{email.communication_id}")
