"""A payment provider that delivers to the served app, and the pages that show what it told."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from playwright.sync_api import Locator, Page, expect

from backend.invoices.queries import InvoiceView
from backend.unit_of_work import read, run
from backend.webhooks.endpoints import CreateEndpoint, create_endpoint
from backend.webhooks.models import WebhookEventStatus
from backend.webhooks.queries import WebhookEventFilter, WebhookEventView, list_events
from backend.webhooks.secrets import SecretBox
from tests.browser.conftest import World
from tests.browser.screens import LIVE_MS_MAX, Screen
from tests.factories import make_customer, make_draft, make_invoice
from tests.webhooks import (
    STRIPE_SECRET,
    as_bytes,
    payment_intent,
    signed_by_stripe,
    stripe_event,
)


@dataclass
class Stripe:
    """Stripe, as one endpoint of the first business hears it."""

    world: World
    url: str = ""

    def __post_init__(self) -> None:
        if not self.url:
            box = SecretBox(self.world.environment["BILLERJACKET_SECRET_KEY"])
            command = CreateEndpoint("stripe", STRIPE_SECRET)
            made = run(self.world.db, self.world.actor, create_endpoint, box, command)
            self.url = made.url(self.world.url)

    def deliver(self, event: dict[str, Any], *, secret: str = STRIPE_SECRET) -> httpx.Response:
        """Send one event, signed now."""
        body = as_bytes(event)
        headers = signed_by_stripe(body, secret, at=datetime.now(UTC))
        return httpx.post(self.url, content=body, headers=headers, timeout=20)

    def pay(self, number: str | None, cents: int) -> str:
        """Tell that the invoice of this number was paid; the event's id."""
        event_id = f"evt_{uuid.uuid4().hex[:24]}"
        intent = payment_intent(f"pi_{uuid.uuid4().hex[:24]}", cents, invoice_number=str(number))
        answer = self.deliver(stripe_event(event_id, "payment_intent.succeeded", intent))
        assert answer.status_code == 202, answer.text
        return event_id

    def tell_nothing(self, event_type: str) -> str:
        """Tell something that we do not use; the event's id."""
        event_id = f"evt_{uuid.uuid4().hex[:24]}"
        answer = self.deliver(stripe_event(event_id, event_type, {"id": "x", "object": "thing"}))
        assert answer.status_code == 202, answer.text
        return event_id

    def invoice(self, amount: str = "80.00", name: str = "Elm Street Diner") -> InvoiceView:
        """An open invoice of a new customer."""
        customer = make_customer(self.world.db, self.world.actor, name)
        return make_invoice(self.world.db, self.world.actor, customer.customer_id, amount)

    def drafts(self, count: int, amount: str) -> list[tuple[InvoiceView, str]]:
        """Drafts, each with the number that it will get when they are sent in their order.

        Until then there is no such invoice, and no payment of it can be recorded.
        """
        newest = self.invoice("1.00", "Oak Lane Gym")
        last = int(str(newest.invoice_number).removeprefix("INV-"))
        made = (
            make_draft(self.world.db, self.world.actor, newest.customer_id, amount)
            for _ in range(count)
        )
        return [(draft, f"INV-{last + place:06}") for place, draft in enumerate(made, 1)]

    def event(self, event_id: str) -> WebhookEventView:
        """What the database has of an event."""
        narrowed = WebhookEventFilter(external_event_id=event_id)
        (found,) = read(self.world.db, self.world.actor, list_events, narrowed).items
        return found

    def settled(self, page: Page, event_id: str) -> WebhookEventView:
        """The event, once the worker is done with it."""
        waiting = (WebhookEventStatus.RECEIVED, WebhookEventStatus.PROCESSING)
        for _ in range(LIVE_MS_MAX // 50):
            found = self.event(event_id)
            if found.status not in waiting and found.replay_requested_at is None:
                return found
            page.wait_for_timeout(50)
        raise AssertionError(f"the worker did not settle {event_id}")


class WebhooksScreen(Screen):
    """/support/webhooks."""

    @property
    def rows(self) -> Locator:
        """The events."""
        return self.page.get_by_test_id("webhook-row")

    def row(self, event_id: str) -> Locator:
        """One event, by the provider's id."""
        return self.rows.filter(has_text=event_id)

    def ids(self) -> list[str]:
        """The providers' ids that are shown, in order."""
        return self.rows.get_by_test_id("cell-external-id").all_inner_texts()

    def find(self, event_id: str) -> None:
        """Type a provider's id into the search."""
        self.page.get_by_label("Provider's event id").fill(event_id)
        expect(self.page).to_have_url(re.compile(f"q={event_id}"))
        expect(self.rows).to_have_count(1)

    def open(self, event_id: str) -> WebhookScreen:
        """Open one by its link."""
        self.row(event_id).get_by_role("rowheader").get_by_role("link").click()
        screen = WebhookScreen(self.page)
        expect(self.page.get_by_test_id("external-id")).to_contain_text(event_id)
        return screen

    def choose(self, event_id: str) -> None:
        """Tick one."""
        self.tick(self.row(event_id).get_by_role("checkbox"))

    def choose_page(self) -> None:
        """Tick all of the page."""
        self.tick(self.page.get_by_test_id("choose-page"))

    @staticmethod
    def tick(box: Locator) -> None:
        """Tick a box whose state the server holds."""
        box.click()
        expect(box).to_be_checked()

    @property
    def scope(self) -> Locator:
        """What is chosen, in words."""
        return self.page.get_by_test_id("bulk-count")

    @property
    def newer(self) -> Locator:
        """The button that tells of new events."""
        return self.page.get_by_test_id("newer")


class WebhookScreen(Screen):
    """/support/webhooks/{id}."""

    @property
    def badge(self) -> Locator:
        """The status beside the heading."""
        return self.main.locator(".head").get_by_test_id("badge-status")

    @property
    def detail(self) -> Locator:
        """What the event did, in a sentence."""
        return self.page.get_by_test_id("webhook-detail")

    @property
    def caused(self) -> Locator:
        """Links to what it made or changed."""
        return self.page.get_by_test_id("webhook-caused").get_by_role("link")

    @property
    def replay(self) -> Locator:
        """The button that has it processed again."""
        return self.page.get_by_test_id("replay")

    @property
    def attempts(self) -> Locator:
        """How often it was tried."""
        return self.page.get_by_test_id("attempts")


class SettingsScreen(Screen):
    """/settings."""

    @property
    def endpoints(self) -> Locator:
        """The webhook endpoints, newest first."""
        return self.page.get_by_test_id("endpoint")

    def make(self, provider: str, secret: str = "") -> None:
        """Make an endpoint by the dialog."""
        self.page.get_by_test_id("new-endpoint").click()
        dialog = self.dialog("create")
        dialog.get_by_label("Provider").select_option(label=provider)
        if secret:
            dialog.get_by_label("Signing secret").fill(secret)
        self.confirm("create")

    def shown_once(self, what: str) -> Locator:
        """The address or the secret that is shown only now."""
        return self.page.get_by_test_id(f"made-{what}")


class ActivityScreen(Screen):
    """/activity."""

    @property
    def rows(self) -> Locator:
        """The entries, newest first."""
        return self.page.get_by_test_id("activity-row")

    def row(self, text: str) -> Locator:
        """Entries that say this."""
        return self.rows.filter(has_text=text)

    @property
    def chain(self) -> Locator:
        """How the check of the chain stands."""
        return self.page.get_by_test_id("chain-result")
