"""What providers told, by browser: found, explained, replayed; endpoints made and looked after."""

from __future__ import annotations

import json
import re
import uuid

import pytest
from playwright.sync_api import expect

from backend.invoices.service import send_invoice
from backend.unit_of_work import run
from tests.browser.appearance import look_at, violations
from tests.browser.conftest import Opener, World, screenshot, wait_until_ready
from tests.browser.provider import SettingsScreen, Stripe, WebhookScreen, WebhooksScreen
from tests.browser.screens import LIVE_MS_MAX, InvoiceScreen
from tests.browser.test_access import STATE, send_crafted
from tests.browser.test_accessibility import has_focus
from tests.factories import invoice_now, make_customer, make_invoice
from tests.webhooks import STRIPE_SECRET, stripe_event

pytestmark = pytest.mark.browser

NEW_SECRET = "whsec_" + "another" * 6


@pytest.fixture(scope="module")
def stripe(world: World) -> Stripe:
    """Stripe, with an endpoint of the first business."""
    return Stripe(world)


def test_an_event_is_found_by_the_providers_id_and_explained(open_page: Opener, stripe: Stripe):
    invoice = stripe.invoice("80.00")
    event_id = stripe.pay(invoice.invoice_number, 8000)
    page = open_page("/support/webhooks", role="support")
    stripe.settled(page, event_id)
    screen = WebhooksScreen(page)
    screen.find(event_id)
    row = screen.row(event_id)
    expect(row.get_by_test_id("cell-provider")).to_have_text("Stripe")
    expect(row.get_by_test_id("cell-type")).to_have_text("payment_intent.succeeded")
    expect(row.get_by_test_id("badge-signature")).to_have_text("Verified")
    expect(row.get_by_test_id("badge-status")).to_have_text("Processed", timeout=LIVE_MS_MAX)
    expect(row.get_by_test_id("cell-attempts")).to_have_text("1")
    expect(row.get_by_test_id("cell-latency")).to_have_text(re.compile(r"^[\d.]+ m?s$"))

    event = screen.open(event_id)
    expect(event.title).to_have_text("payment_intent.succeeded")
    expect(event.badge).to_have_text("Processed")
    expect(page.get_by_test_id("signature-why")).to_contain_text("within five minutes")
    headers = page.get_by_test_id("table-headers")
    expect(headers).to_contain_text("stripe-signature")
    expect(headers).to_contain_text("[redacted]")
    assert not re.search(r"v1=[0-9a-f]{8}", headers.inner_text())
    body = page.get_by_test_id("body-pretty").inner_text()
    assert json.loads(body)["id"] == event_id
    page.get_by_text("As it came", exact=True).click()
    expect(page.get_by_test_id("body-raw")).to_contain_text(event_id)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == f"{event_id}.json"
    expect(event.detail).not_to_be_empty()
    expect(event.caused).to_have_count(3)
    page.get_by_test_id("to-trace").click()
    expect(page).to_have_url(re.compile("/support/trace"))
    told = page.get_by_test_id("timeline-entry")
    for fact in ("Webhook payment_intent.succeeded received", "Message webhook.received handled",
                 "Payment of 80.00 applied", "Paid in full"):  # fmt: skip
        expect(told.filter(has_text=fact).first).to_be_visible()
    expect(told.get_by_role("link", name="webhook event").first).to_be_visible()
    page.go_back()
    event.caused.filter(has_text=str(invoice.invoice_number)).click()
    expect(InvoiceScreen(page).badge).to_have_text("Paid")


def test_one_correlation_id_tells_it_all_from_the_delivery_to_the_email(
    world: World, open_page: Opener, stripe: Stripe
):
    customer = make_customer(world.db, world.actor, "Pine Street Bakery", email="ap@pine.example")
    invoice = make_invoice(world.db, world.actor, customer.customer_id, "45.00")
    event_id = stripe.pay(invoice.invoice_number, 4500)
    page = open_page("/support/webhooks", role="support")
    correlation_id = stripe.settled(page, event_id).correlation_id

    page.goto(f"/support/trace?id={correlation_id}")
    wait_until_ready(page)
    told = page.get_by_test_id("timeline-entry")
    for fact in (
        "Webhook payment_intent.succeeded received",
        "Message webhook.received handled",
        "Payment of 45.00 applied",
        "Paid in full",
        "Message email.receipt_requested handled",
        "Receipt e-mail sent",
    ):
        expect(told.filter(has_text=fact).first).to_be_visible(timeout=LIVE_MS_MAX)
    screenshot(page, "trace-of-a-delivery")


def test_a_failed_event_is_replayed_when_its_reason_is_gone(
    world: World, open_page: Opener, stripe: Stripe
):
    ((draft, number),) = stripe.drafts(1, "25.00")
    event_id = stripe.pay(number, 2500)
    page = open_page("/support/webhooks?status=failed", role="support")
    found = stripe.settled(page, event_id)
    event = WebhookScreen(page)
    page.goto(f"/support/webhooks/{found.webhook_event_id}")
    wait_until_ready(page)
    expect(event.badge).to_have_text("Failed")
    expect(page.get_by_test_id("webhook-error")).to_contain_text("It could not be processed")
    look_at(page, "webhook-failed")
    run(world.db, world.actor, send_invoice, draft.invoice_id)
    event.replay.click()
    expect(event.badge).to_have_text("Processed", timeout=LIVE_MS_MAX)
    expect(event.attempts).to_contain_text("2")
    expect(page.get_by_test_id("webhook-error")).to_have_count(0)
    expect(
        page.get_by_test_id("timeline-entry").filter(has_text="Replay requested")
    ).to_be_visible()
    assert invoice_now(world.db, world.actor, draft.invoice_id).balance_due == 0


def test_a_processed_event_asks_again_and_then_says_that_nothing_changed(
    world: World, open_page: Opener, stripe: Stripe
):
    invoice = stripe.invoice("30.00")
    event_id = stripe.pay(invoice.invoice_number, 1000)
    page = open_page("/support/webhooks", role="support")
    found = stripe.settled(page, event_id)
    page.goto(f"/support/webhooks/{found.webhook_event_id}")
    wait_until_ready(page)
    event = WebhookScreen(page)
    event.replay.focus()
    page.keyboard.press("Enter")
    dialog = event.dialog("replay")
    expect(dialog).to_contain_text("It was processed at")
    assert has_focus(page)
    assert violations(page) == []
    screenshot(page, "webhook-ask-again")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(event.replay).to_be_focused()
    page.keyboard.press("Enter")
    event.confirm("replay")
    expect(event.detail).to_contain_text("Replayed", timeout=LIVE_MS_MAX)
    expect(event.badge).to_have_text("Processed")
    assert invoice_now(world.db, world.actor, invoice.invoice_id).paid_amount == 10
    look_at(page, "webhook-replayed")


def test_many_are_replayed_after_the_server_counted_again(
    world: World, open_page: Opener, stripe: Stripe
):
    drafts = stripe.drafts(5, "5.00")
    numbers = [number for _, number in drafts]
    ids = [stripe.pay(number, 500) for number in numbers[:3]]
    page = open_page("/", role="support")
    for event_id in ids:
        stripe.settled(page, event_id)
    page.goto("/support/webhooks?status=failed&type=payment_intent.succeeded")
    wait_until_ready(page)
    screen = WebhooksScreen(page)
    expect(screen.scope).to_contain_text("none selected")
    screen.choose(ids[0])
    expect(screen.scope).to_have_text("1 selected")
    screen.choose_page()
    expect(screen.scope).to_have_text("This page (3) selected")
    look_at(page, "webhooks-selected")
    stripe.settled(page, stripe.pay(numbers[3], 500))
    page.get_by_role("button", name="Clear").click()
    screen.choose(ids[1])
    page.get_by_test_id("choose-all").click()
    expect(screen.scope).to_have_text("All 4 matching selected")
    page.get_by_test_id("replay-many").click()
    dialog = screen.dialog("replay-many")
    expect(dialog).to_contain_text("Replay 4 events?")
    expect(dialog).to_contain_text("None of them has been processed yet.")
    assert violations(page) == []
    screenshot(page, "webhooks-plan")
    # One more arrives before it is confirmed: what was agreed to is no longer so.
    stripe.settled(page, stripe.pay(numbers[4], 500))
    page.get_by_test_id("confirm-replay-many").click()
    expect(dialog).to_contain_text("It was 4 when this was opened, and is 5 now")
    for draft, _ in drafts:
        run(world.db, world.actor, send_invoice, draft.invoice_id)
    screen.confirm("replay-many")
    screen.expect_toast("5 events queued for replay")
    # Each row changes where it stands, although it does not match the filter any more.
    for event_id in ids:
        expect(screen.row(event_id).get_by_test_id("badge-status")).to_have_text(
            "Processed", timeout=LIVE_MS_MAX
        )
    for draft, _ in drafts:
        assert invoice_now(world.db, world.actor, draft.invoice_id).balance_due == 0


def test_what_is_chosen_is_forgotten_under_other_filters(open_page: Opener, stripe: Stripe):
    page = open_page("/support/webhooks", role="support")
    event_id = stripe.tell_nothing("customer.created")
    stripe.settled(page, event_id)
    page.reload()
    wait_until_ready(page)
    screen = WebhooksScreen(page)
    screen.choose(event_id)
    expect(screen.scope).to_have_text("1 selected")
    page.get_by_role("navigation", name="Events by status").get_by_role(
        "link", name="Ignored"
    ).click()
    expect(page).to_have_url(re.compile("status=ignored"))
    expect(screen.scope).to_contain_text("none selected")


def test_new_events_are_told_and_no_row_moves(open_page: Opener, stripe: Stripe):
    first = stripe.tell_nothing("tax_rate.created")
    page = open_page("/support/webhooks?type=tax_rate.created", role="support")
    stripe.settled(page, first)
    screen = WebhooksScreen(page)
    expect(screen.row(first).get_by_test_id("badge-status")).to_have_text(
        "Ignored", timeout=LIVE_MS_MAX
    )
    place = screen.row(first).bounding_box()
    more = [stripe.tell_nothing("tax_rate.created") for _ in range(2)]
    expect(screen.newer).to_have_text("2 new, click to load", timeout=LIVE_MS_MAX)
    assert screen.ids() == [first]
    assert screen.row(first).bounding_box() == place
    screenshot(page, "webhooks-newer")
    screen.newer.click()
    expect(screen.rows).to_have_count(3)
    assert screen.ids() == [*reversed(more), first]
    expect(screen.newer).to_have_count(0)


def test_filters_stand_in_the_address(open_page: Opener, stripe: Stripe):
    event_id = stripe.tell_nothing("price.created")
    page = open_page("/support/webhooks")
    page.get_by_label("Event type").fill("price.created")
    expect(page).to_have_url(re.compile("type=price.created"))
    page.get_by_label("Signature", exact=True).select_option("verified")
    expect(page).to_have_url(re.compile("signature=verified"))
    screen = WebhooksScreen(page)
    expect(screen.rows).to_have_count(1)
    shared = WebhooksScreen(open_page(page.url, role="support"))
    assert shared.ids() == [event_id]
    expect(shared.page.get_by_label("Signature", exact=True)).to_have_value("verified")
    page.get_by_label("Provider", exact=True).select_option("standard")
    expect(page.get_by_test_id("no-match")).to_be_visible()
    page.go_back()
    expect(screen.rows).to_have_count(1)
    page.goto("/support/webhooks?status=sideways")
    wait_until_ready(page)
    expect(page.get_by_test_id("failed")).to_contain_text("Status")
    look_at(page, "webhooks-nonsense")


def test_refused_deliveries_are_counted_where_support_looks(open_page: Opener, stripe: Stripe):
    own = Stripe(stripe.world)
    event = stripe_event(f"evt_{uuid.uuid4().hex}", "plan.created", {"id": "x"})
    assert own.deliver(event, secret=NEW_SECRET).status_code == 401
    page = open_page("/support/webhooks", role="support")
    warning = page.get_by_test_id("refused-warning").first
    expect(warning).to_contain_text("no signature matches a secret", ignore_case=True)
    row = page.get_by_test_id("endpoint-row").first
    expect(row.get_by_test_id("cell-refused")).to_have_text("1")
    expect(page.get_by_test_id("webhook-row").filter(has_text=event["id"])).to_have_count(0)
    look_at(page, "webhooks")


def test_finance_and_strangers_get_nothing(open_page: Opener, stripe: Stripe):
    event_id = stripe.pay(stripe.invoice("9.00", name="Secretive Signs").invoice_number, 900)
    page = open_page("/support/webhooks", role="finance")
    found = stripe.settled(page, event_id)
    expect(page.get_by_test_id("not-allowed")).to_be_visible()
    expect(page.get_by_role("link", name="Webhooks")).to_have_count(0)
    frames: list[str] = []
    address = f"/support/webhooks/{found.webhook_event_id}"
    for role, testid, status in (("finance", "not-allowed", 403), ("stranger", "missing", 404)):
        page = open_page("/activity?actor=nobody", role=role)
        page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
        )
        page.goto(address)
        wait_until_ready(page)
        expect(page.get_by_test_id(testid)).to_be_visible()
        assert page.request.get(f"/files/webhooks/{found.webhook_event_id}").status == status
        answer = send_crafted(
            page,
            f"{STATE}webhook____webhook_state.replay",
            {"_form": None},
            address,
            webhook_event_id=str(found.webhook_event_id),
        )
        frames.append(answer)
    page.goto("/support/webhooks")
    wait_until_ready(page)
    expect(page.get_by_test_id("webhook-row")).to_have_count(0)
    expect(page.get_by_test_id("empty")).to_contain_text("No provider has told us anything")
    look_at(page, "webhooks-empty")
    received = "\n".join(frames)
    assert "delta" in received
    assert event_id not in received
    assert "Secretive" not in received
    assert stripe.event(event_id).attempts == 1
    assert stripe.event(event_id).replay_requested_at is None


def test_an_endpoint_is_made_and_its_secret_shown_once(world: World, open_page: Opener):
    page = open_page("/settings")
    screen = SettingsScreen(page)
    before = screen.endpoints.count()
    screen.make("Standard Webhooks")
    address = screen.shown_once("address").inner_text()
    secret = screen.shown_once("secret").inner_text()
    assert address.startswith(f"{world.url}/api/webhooks/standard/")
    assert secret.startswith("whsec_")
    for what in ("address", "secret"):
        expect(page.get_by_role("button", name=f"Copy the {what}")).to_be_visible()
    expect(screen.endpoints).to_have_count(before + 1)
    look_at(page, "settings-made")
    page.reload()
    wait_until_ready(page)
    expect(page.get_by_test_id("made")).to_have_count(0)
    assert secret not in page.content()
    assert address not in page.content()


def test_an_endpoint_takes_what_its_own_secret_signed_until_it_is_switched_off(
    world: World, open_page: Opener
):
    page = open_page("/settings")
    screen = SettingsScreen(page)
    page.get_by_test_id("new-endpoint").click()
    dialog = screen.dialog("create")
    dialog.get_by_label("Signing secret").fill("short")
    page.get_by_test_id("confirm-create").click()
    expect(dialog.get_by_test_id("error-secret")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    screen.make("Stripe", STRIPE_SECRET)
    expect(screen.shown_once("secret")).to_have_count(0)
    provider = Stripe(world, screen.shown_once("address").inner_text())
    page.get_by_test_id("put-away").click()
    expect(page.get_by_test_id("made")).to_have_count(0)
    provider.tell_nothing("plan.created")

    def answer(secret: str) -> int:
        event = stripe_event(f"evt_{uuid.uuid4().hex}", "plan.created", {"id": "x"})
        return provider.deliver(event, secret=secret).status_code

    endpoint = screen.endpoints.first
    assert (answer(STRIPE_SECRET), answer(NEW_SECRET)) == (202, 401)
    endpoint.get_by_test_id("rotate").click()
    screen.dialog("rotate").get_by_label("Signing secret").fill(NEW_SECRET)
    screen.confirm("rotate")
    expect(endpoint.get_by_test_id("secret-state")).to_contain_text("Two are good")
    assert (answer(STRIPE_SECRET), answer(NEW_SECRET)) == (202, 202)
    look_at(page, "settings-two-secrets")
    endpoint.get_by_test_id("retire").click()
    assert violations(page) == []
    screenshot(page, "settings-retire")
    screen.confirm("retire")
    expect(endpoint.get_by_test_id("rotate")).to_be_visible()
    assert (answer(STRIPE_SECRET), answer(NEW_SECRET)) == (401, 202)
    endpoint.get_by_test_id("switch-off").click()
    screen.confirm("off")
    expect(endpoint.get_by_test_id("badge-status")).to_have_text("Switched off")
    assert answer(NEW_SECRET) == 401
    endpoint.get_by_test_id("switch-on").click()
    expect(endpoint.get_by_test_id("badge-status")).to_have_text("Active")
    assert answer(NEW_SECRET) == 202
    page.reload()
    wait_until_ready(page)
    expect(screen.endpoints.first.get_by_test_id("refused")).to_have_text("3")


def test_only_an_admin_has_settings(open_page: Opener):
    for role in ("finance", "support"):
        page = open_page("/settings", role=role)
        expect(page.get_by_test_id("not-allowed")).to_be_visible()
        expect(page.get_by_role("link", name="Settings")).to_have_count(0)
        answer = send_crafted(
            page,
            f"{STATE}settings____settings_state.create",
            {"form": {"provider": "stripe", "secret": ""}},
            "/settings",
        )
        assert "whsec_" not in answer
        assert "does not allow this" in answer
    page = open_page("/settings", role="stranger")
    expect(page.get_by_test_id("endpoint")).to_have_count(0)
    expect(page.get_by_test_id("empty")).to_contain_text("No endpoint yet")
    look_at(page, "settings-empty")


def test_an_event_is_replayed_with_the_keyboard_alone(open_page: Opener, stripe: Stripe):
    event_id = stripe.tell_nothing("coupon.created")
    page = open_page(f"/support/webhooks?q={event_id}", role="support")
    stripe.settled(page, event_id)

    def tab_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => {
                  const it = document.activeElement;
                  return it.matches("a, button, input") ? it.ariaLabel || it.innerText : "";
                }"""
            )
            if name in found:
                return
        pytest.fail(f"the Tab key does not reach {name!r}")

    tab_to("Select the event")
    page.keyboard.press("Space")
    expect(WebhooksScreen(page).scope).to_have_text("1 selected")
    tab_to("coupon.created")
    page.keyboard.press("Enter")
    event = WebhookScreen(page)
    expect(event.title).to_have_text("coupon.created")
    expect(page.get_by_role("main")).to_be_focused()
    tab_to("Replay")
    page.keyboard.press("Enter")
    expect(event.attempts).to_contain_text("2", timeout=LIVE_MS_MAX)
