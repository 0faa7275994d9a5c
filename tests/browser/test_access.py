"""Who gets in, who sees what, and that the server refuses whatever a browser is made to send."""

from __future__ import annotations

import json
import re
import uuid
from http.client import HTTPConnection
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from backend.invoices.models import InvoiceStatus
from tests.browser.conftest import PASSWORD, Opener, World, wait_until_ready
from tests.browser.screens import InvoiceScreen
from tests.factories import invoice_now, make_customer, make_draft, make_invoice

pytestmark = pytest.mark.browser

STATE = "reflex___state____state.billerjacket_app___pages___"
# Opens the event websocket as any script could, sends one event, and gives back what comes.
CRAFTED_EVENT = """
async ([name, payload, path, query, token]) => {
  const socket = new WebSocket(
    location.origin.replace(/^http/, "ws") + `/_event/?token=${token}&EIO=4&transport=websocket`,
    "0.10.1");
  const frames = [];
  socket.onmessage = (message) => {
    frames.push(String(message.data));
    if (message.data[0] === "0") socket.send("40/_event,{}");
    if (message.data.startsWith("40")) socket.send("42/_event," + JSON.stringify(
      ["event", {name, payload, router_data: {pathname: path, asPath: path, query}}]));
  };
  await new Promise((resolve) => setTimeout(resolve, 1500));
  socket.close();
  return frames;
}
"""


def send_crafted(page: Page, name: str, payload: dict[str, Any], path: str, **query: str) -> str:
    frames = page.evaluate(CRAFTED_EVENT, [name, payload, path, query, str(uuid.uuid4())])
    assert any(frame.startswith("42") for frame in frames), "the event was not answered at all"
    return "\n".join(frames)


def test_a_deep_link_asks_for_a_sign_in_and_then_leads_back_with_its_filters(
    world: World, open_page: Opener
):
    page = open_page("/login", role=None)
    html = page.request.get("/invoices/?status=overdue").text()
    assert "Ridge Roofing" not in html
    page.goto("/invoices?status=overdue&q=harbor")
    expect(page).to_have_url(re.compile(r"/login/?\?next="))
    page.get_by_label("E-mail").fill(world.email("finance"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    expect(page).to_have_url(re.compile(r"/invoices/?\?status=overdue&q=harbor$"))
    wait_until_ready(page)
    expect(page.get_by_label("Search invoices")).to_have_value("harbor")


def test_a_wrong_password_is_told_once_and_keeps_the_address(open_page: Opener):
    page = open_page("/login", role=None)
    email, password = page.get_by_label("E-mail"), page.get_by_label("Password")
    expect(email).to_have_attribute("autocomplete", "username")
    expect(password).to_have_attribute("autocomplete", "current-password")
    email.fill("nobody@example.com")
    password.fill("wrong")
    page.get_by_test_id("login-submit").click()
    expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
    expect(email).to_have_value("nobody@example.com")
    expect(password).to_have_value("")
    expect(password).to_be_focused()
    assert "nobody" not in page.url


def test_the_sixth_try_in_a_row_has_to_wait(open_page: Opener):
    page = open_page("/login", role=None)
    for _ in range(6):
        page.get_by_label("E-mail").fill("guessed@example.com")
        page.get_by_label("Password").fill("wrong")
        page.get_by_test_id("login-submit").click()
        wait_until_ready(page)
    expect(page.get_by_role("alert")).to_contain_text("Too many tries")


def test_somebody_new_registers_and_sets_up_a_business(open_page: Opener):
    page = open_page("/register", role=None)
    page.get_by_label("Your name").fill("Robin Vale")
    page.get_by_label("E-mail").fill("robin@vale.example")
    page.get_by_label("Password").fill("short")
    page.get_by_test_id("register-submit").click()
    expect(page.get_by_test_id("error-password")).to_contain_text("at least 8 characters")
    expect(page.get_by_label("Your name")).to_have_value("Robin Vale")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_test_id("register-submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up your business")
    wait_until_ready(page)
    page.goto("/invoices")
    expect(page).to_have_url(re.compile("/setup"))
    page.get_by_label("Name of the business").fill("Vale Electric")
    page.get_by_label("Currency").select_option("EUR")
    page.get_by_label("Time zone").select_option("Europe/Madrid")
    page.get_by_test_id("setup-submit").click()
    expect(page.get_by_test_id("who")).to_contain_text("Vale Electric")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")


def test_signing_out_in_one_tab_stops_the_other(world: World, open_page: Opener):
    invoice = make_invoice(world.db, world.actor, make_customer(world.db, world.actor).customer_id)
    page = open_page("/login", role=None)
    page.get_by_label("E-mail").fill(world.email("finance"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_test_id("login-submit").click()
    wait_until_ready(page)
    page.goto(f"/invoices/{invoice.invoice_id}")
    wait_until_ready(page)
    page.get_by_test_id("record-payment").click()
    other = page.context.new_page()
    other.goto("/payments")
    wait_until_ready(other)
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(re.compile("/login"))
    page.get_by_test_id("confirm-pay").click()
    expect(page).to_have_url(re.compile("/login"))
    assert invoice_now(world.db, world.actor, invoice.invoice_id).paid_amount == 0


def test_support_reads_but_moves_no_money(world: World, open_page: Opener):
    customer = make_customer(world.db, world.actor, "Read Only Inc.")
    draft = make_draft(world.db, world.actor, customer.customer_id)
    page = open_page(f"/invoices/{draft.invoice_id}", role="support")
    expect(InvoiceScreen(page).title).to_have_text("Draft")
    for action in ("send", "void", "record-payment"):
        expect(page.get_by_test_id(action)).to_have_count(0)
    # The button is not there; the event behind it is sent all the same.
    answer = send_crafted(
        page, f"{STATE}invoice____invoice_state.send", {"_form": {}},
        f"/invoices/{draft.invoice_id}", invoice_id=str(draft.invoice_id),
    )  # fmt: skip
    assert "does not allow this" in answer
    now = invoice_now(world.db, world.actor, draft.invoice_id)
    assert now.status is InvoiceStatus.DRAFT


def test_an_event_without_a_session_gets_nothing_but_the_sign_in_page(
    world: World, open_page: Opener
):
    customer = make_customer(world.db, world.actor, "Secret Customer Ltd")
    page = open_page("/login", role=None)
    wanted = str(customer.customer_id)
    for name, path in (
        ("customers____customers_state.load", "/customers"),
        ("customer____customer_state.load", f"/customers/{wanted}"),
        ("customers____customers_state.watch", "/customers"),
    ):
        answer = send_crafted(page, f"{STATE}{name}", {}, path, customer_id=wanted)
        assert "Secret" not in answer
        assert "/login" in answer


def test_another_business_is_not_there_at_all(world: World, open_page: Opener):
    db, actor = world.db, world.actor
    customer = make_customer(db, actor, "Confidential Holdings")
    invoice = make_invoice(db, actor, customer.customer_id)
    page = open_page("/login", role="stranger")
    frames: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    for address, noun in (
        (f"/invoices/{invoice.invoice_id}", "invoice"),
        (f"/customers/{customer.customer_id}", "customer"),
        (f"/payments/{uuid.uuid4()}", "payment"),
        ("/invoices/not-an-id", "invoice"),
    ):
        page.goto(address)
        wait_until_ready(page)
        expect(page.get_by_test_id("missing")).to_contain_text(f"There is no such {noun}")
    page.goto("/invoices?q=Confidential")
    wait_until_ready(page)
    expect(page.get_by_test_id("invoice-row")).to_have_count(0)
    received = "\n".join(frames)
    assert "delta" in received
    assert "Confidential Holdings" not in received
    answer = page.request.get(f"/files/invoices/{invoice.invoice_id}/pdf")
    assert answer.status == 404


def test_the_platforms_owner_has_no_business_to_look_into(open_page: Opener):
    page = open_page("/invoices", role="superadmin")
    expect(page.get_by_test_id("not-allowed")).to_be_visible()
    page.goto(f"/invoices/{uuid.uuid4()}")
    wait_until_ready(page)
    expect(page.get_by_test_id("not-allowed")).to_be_visible()


def test_the_sessions_token_never_reaches_a_script(open_page: Opener):
    page = open_page("/customers", role="finance")
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    session = cookies["billerjacket_session"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert "billerjacket_session" not in page.evaluate("document.cookie")
    frames: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    page.reload()
    wait_until_ready(page)
    assert "delta" in json.dumps(frames)
    assert session["value"] not in "\n".join(frames)


def test_a_form_from_another_site_is_refused(world: World, open_page: Opener):
    page = open_page("/login", role=None)
    answer = page.request.post(
        "/auth/login",
        form={"email": world.email("admin"), "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
        max_redirects=0,
    )
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_a_socket_opened_by_another_site_is_refused(world: World):
    def answer_to(origin: str) -> int:
        connection = HTTPConnection(world.url.removeprefix("http://"), timeout=10)
        handshake = {
            "Origin": origin,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        path = f"/_event/?EIO=4&transport=websocket&token={uuid.uuid4()}"
        connection.request("GET", path, headers=handshake)
        status = connection.getresponse().status
        connection.close()
        return status

    assert answer_to(world.url) == 101
    assert answer_to("https://evil.example") == 403
    assert answer_to("null") == 403


def test_pages_run_no_script_but_their_own(open_page: Opener):
    page = open_page("/login", role=None)
    headers = page.request.get("/login/").headers
    policy = headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in scripts
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
