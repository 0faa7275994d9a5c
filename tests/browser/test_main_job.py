"""The main job by browser: invoice, send, get paid, chase, explain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from backend.actor import Actor
from backend.dunning.service import request_evaluation
from backend.invoices.overdue import sweep_overdue
from backend.messaging.contracts import Queue
from backend.unit_of_work import run
from tests.browser.conftest import (
    Opener,
    World,
    kept_sign_ins,
    opening,
    run_world,
    screenshot,
)
from tests.browser.screens import (
    LIVE_MS_MAX,
    CustomersScreen,
    InvoiceForm,
    InvoiceScreen,
    MailboxScreen,
    PaymentScreen,
)
from tests.emulator import Counts, Emulator
from tests.factories import raw_rows

pytestmark = pytest.mark.browser


def test_an_invoice_is_sent_paid_in_part_chased_paid_off_and_explained(
    world: World, open_page: Opener
):
    main_job(world, open_page)


@pytest.fixture
def broker() -> Iterator[Emulator]:
    with Emulator() as broker:
        yield broker


@pytest.fixture
def world_on_service_bus(broker: Emulator, tmp_path: Path) -> Iterator[World]:
    setting = {"BILLERJACKET_SERVICEBUS_CONNECTION_STRING": broker.connection_string}
    with run_world(tmp_path, **setting) as world:
        yield world


@pytest.fixture
def open_on_service_bus(world_on_service_bus: World, chromium: Browser) -> Iterator[Opener]:
    sign_in = kept_sign_ins(chromium, world_on_service_bus)
    with opening(chromium, world_on_service_bus, sign_in) as opened:
        yield opened


def test_the_same_on_service_bus_by_one_setting(
    broker: Emulator, world_on_service_bus: World, open_on_service_bus: Opener
):
    main_job(world_on_service_bus, open_on_service_bus)

    db = world_on_service_bus.db
    assert {queue: broker.counts(queue) for queue in Queue} == dict.fromkeys(Queue, Counts())
    assert raw_rows(db, "SELECT count(*) FROM outbox WHERE sent_at IS NULL") == [(0,)]
    assert raw_rows(db, "SELECT count(*) FROM queue_messages") == [(0,)]


def main_job(world: World, open_page: Opener) -> None:
    page = open_page("/customers", role="finance")
    customers = CustomersScreen(page)
    customers.add("Harbor Dental Group", "ap@harbor.example")

    # An invoice that is two months old, so that it can be overdue.
    page.get_by_test_id("new-invoice").click()
    form = InvoiceForm(page)
    expect(page.get_by_test_id("customer-picker")).to_have_value("Harbor Dental Group")
    today = world.today
    page.get_by_label("Issue date").fill((today - timedelta(days=60)).isoformat())
    page.get_by_label("Due date").fill((today - timedelta(days=20)).isoformat())
    form.fill_line(1, "Tear-off and re-roof", "24", "385.00", "8.25")
    form.add_line()
    form.fill_line(2, "Dump fees", "1.5", "99.99")
    form.expect_total("$10,152.29")
    screenshot(page, "main-1-form")
    number = form.save_and_send()

    # The worker sends the e-mail; the page tells so by itself.
    invoice = InvoiceScreen(page)
    expect(invoice.balance).to_have_text("$10,152.29")
    expect(page.get_by_test_id("email-row").filter(has_text="Sent")).to_be_visible(
        timeout=LIVE_MS_MAX
    )
    expect(invoice.event("sent").first).to_be_visible()
    invoice_address = page.url

    # A part payment, then the rest falls overdue and is chased.
    invoice.pay("2,500.00", note="check 1042")
    expect(invoice.balance).to_have_text("$7,652.29")
    run(world.db, Actor.system(world.tenant_id, "test-sweep"), sweep_overdue)
    expect(invoice.badge).to_contain_text("Overdue 20d", timeout=LIVE_MS_MAX)
    run(world.db, world.actor, request_evaluation)
    reminders = page.get_by_test_id("email-row").filter(has_text=number)
    expect(reminders).to_have_count(2, timeout=LIVE_MS_MAX)
    screenshot(page, "main-2-overdue")

    # Both e-mails are in the mailbox, the invoice with its PDF.
    mailbox = MailboxScreen(open_page("/mailbox?type=invoice", role="finance"))
    mailbox.open(number)
    expect(mailbox.body()).to_contain_text("Harbor Dental Group")
    assert mailbox.download_attachment().read_bytes().startswith(b"%PDF-")
    screenshot(mailbox.page, "main-3-mailbox")

    # Paid off, bounced, paid again.
    invoice.pay("")
    expect(invoice.badge).to_have_text("Paid")
    expect(invoice.balance).to_have_text("$0.00")
    page.get_by_test_id("payment-row").first.get_by_role("link").click()
    payment = PaymentScreen(page)
    payment.reverse("The check bounced")
    expect(page.get_by_test_id("reversed")).to_contain_text("The check bounced")
    page.goto(invoice_address)
    expect(invoice.badge).to_contain_text("Overdue")
    expect(invoice.balance).to_have_text("$7,652.29")
    invoice.pay("")
    expect(invoice.badge).to_have_text("Paid")

    # One page tells it all.
    for fact in ("created", "sent", "payment", "overdue", "revers", "paid"):
        expect(invoice.events.filter(has_text=fact).first).to_be_visible()
    screenshot(page, "main-4-explained")
    proof = subprocess.run(
        [sys.executable, "-m", "backend", "verify"], env=world.environment, check=False
    )
    assert proof.returncode == 0
