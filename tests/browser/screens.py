"""The pages as a person uses them: fields by their label, buttons by their name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

# A change made by the worker shows within this time, without a reload.
LIVE_MS_MAX = 15_000


def wait_until_ready(page: Page) -> None:
    """Until the page's State is loaded, its handlers are done, and its fonts are there."""
    page.locator('#ready[data-hydrated="true"]:not([data-view="loading"])').wait_for(
        state="attached"
    )
    page.evaluate("document.fonts.ready.then(() => true)")


@dataclass
class Screen:
    """What every page has."""

    page: Page

    @property
    def title(self) -> Locator:
        """The heading."""
        return self.page.get_by_role("heading", level=1)

    @property
    def main(self) -> Locator:
        """The page's own part."""
        return self.page.get_by_role("main")

    def dialog(self, name: str) -> Locator:
        """An open dialog, by its test id's name."""
        return self.page.get_by_test_id(f"dlg-{name}")

    def confirm(self, name: str) -> None:
        """Press a dialog's verb, and wait until the dialog is gone."""
        self.page.get_by_test_id(f"confirm-{name}").click()
        expect(self.dialog(name)).to_have_count(0)

    def expect_toast(self, text: str) -> None:
        """A remark in the corner."""
        expect(self.page.get_by_test_id("toast").filter(has_text=text)).to_be_visible()


class CustomersScreen(Screen):
    """/customers."""

    def add(self, name: str, email: str = "") -> None:
        """Make a customer by the dialog; leads to its page."""
        self.page.get_by_test_id("new-customer").click()
        dialog = self.dialog("new")
        dialog.get_by_label("Name", exact=True).fill(name)
        dialog.get_by_label("E-mail").fill(email)
        self.page.get_by_test_id("confirm-new").click()
        expect(self.title).to_have_text(name)


class InvoiceForm(Screen):
    """/invoices/new."""

    def choose_customer(self, name: str) -> None:
        """Type a name that is offered."""
        self.page.get_by_test_id("customer-picker").fill(name)
        expect(self.main.get_by_role("status").filter(has_text="Terms:")).to_be_visible()

    def fill_line(
        self, number: int, description: str, quantity: str, price: str, tax: str = ""
    ) -> None:
        """Fill one line; numbers count from 1."""
        line = self.page.get_by_role("group", name=f"Line {number}", exact=True)
        line.get_by_label("Description").fill(description)
        line.get_by_label("Quantity").fill(quantity)
        line.get_by_label("Unit price").fill(price)
        if tax:
            line.get_by_label("Tax, %").fill(tax)

    def add_line(self) -> None:
        """One more line."""
        lines = self.page.get_by_test_id("line-item")
        before = lines.count()
        self.page.get_by_test_id("add-line").click()
        expect(lines).to_have_count(before + 1)

    def expect_total(self, text: str) -> None:
        """The total below the lines."""
        expect(self.page.get_by_test_id("form-total")).to_have_text(text)

    def save_draft(self) -> None:
        """Save; leads to the invoice's page."""
        self.page.get_by_test_id("save-draft").click()
        expect(self.title).to_have_text("Draft")

    def save_and_send(self) -> str:
        """Save and send; the number that was given."""
        self.page.get_by_test_id("save-and-send").click()
        self.page.get_by_test_id("confirm-send").click()
        expect(self.title).to_have_text(re.compile(r"^INV-\d{6}$"))
        return self.title.inner_text()


class InvoiceScreen(Screen):
    """/invoices/{id}."""

    @property
    def badge(self) -> Locator:
        """The status beside the heading."""
        return self.main.get_by_test_id("badge-status").first

    @property
    def balance(self) -> Locator:
        """What is still owed."""
        return self.page.get_by_test_id("invoice-balance")

    @property
    def events(self) -> Locator:
        """The timeline's entries, newest first."""
        return self.page.get_by_test_id("timeline-entry")

    def event(self, text: str) -> Locator:
        """Entries that say this."""
        return self.events.filter(has_text=text)

    def pay(self, amount: str, *, keep_excess: bool = False, note: str = "") -> None:
        """Record a payment; "" leaves the balance that the form offers."""
        self.page.get_by_test_id("record-payment").click()
        dialog = self.dialog("pay")
        if amount:
            dialog.get_by_label("Amount").fill(amount)
        if note:
            dialog.get_by_label("Note").fill(note)
        if keep_excess:
            dialog.get_by_label(re.compile("Keep what is above")).check()
        self.confirm("pay")

    def call_off(self, how: str, reason: str) -> None:
        """Void or cancel, with a reason."""
        self.page.get_by_test_id(how).click()
        self.dialog(how).get_by_label("Reason").fill(reason)
        self.confirm(how)


class PaymentScreen(Screen):
    """/payments/{id}."""

    def reverse(self, reason: str) -> None:
        """Undo the payment."""
        self.page.get_by_test_id("reverse").click()
        self.dialog("reverse").get_by_label("Reason").fill(reason)
        self.confirm("reverse")


class MailboxScreen(Screen):
    """/mailbox."""

    def open(self, subject: str) -> None:
        """Open the newest e-mail with this in its subject."""
        self.page.get_by_test_id("email-row").filter(has_text=subject).first.click()
        expect(self.page.get_by_test_id("email-subject")).to_contain_text(subject)

    def body(self) -> Locator:
        """The e-mail's own text, inside its frame."""
        return self.page.frame_locator('[data-testid="email-body"]').locator("body")

    def download_attachment(self) -> Path:
        """The first attachment, as a file."""
        with self.page.expect_download() as waiting:
            self.page.get_by_test_id("attachment").first.click()
        return Path(waiting.value.path())
