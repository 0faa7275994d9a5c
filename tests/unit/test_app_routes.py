"""Addresses of the app: links with their filters, and where a sign-in may lead."""

import pytest

from billerjacket_app import routes


def test_a_link_carries_only_the_filters_that_are_set():
    assert routes.invoices(status="overdue", q="", cursor=None) == "/invoices?status=overdue"
    assert routes.invoices() == "/invoices"
    assert routes.invoices(q="a b&c") == "/invoices?q=a+b%26c"


@pytest.mark.parametrize(
    "target", ["/invoices?status=overdue&q=a+b", "/", "/customers/0190a1b2-c3d4", "/mailbox?open=1"]
)
def test_a_path_of_the_app_is_kept(target):
    assert routes.safe_next(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "",
        "evil", "/a\\b", "/\nSet-Cookie: x", "/login", "/login/?next=/", "/auth/logout",
        "/api/invoices",
    ],
)  # fmt: skip
def test_anything_else_leads_to_the_dashboard(target):
    assert routes.safe_next(target) == "/"


def test_the_dashboard_needs_no_next():
    assert routes.login(then="/") == "/login"
    assert routes.login(then="/invoices?q=x") == "/login?next=%2Finvoices%3Fq%3Dx"
