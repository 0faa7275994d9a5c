"""How a status looks: word, icon and colour, one table for every screen."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from billerjacket_app import status

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 9, 22)
ZERO = Decimal("0.00")
TABLES = (
    status.INVOICE,
    status.PAYMENT,
    status.EMAIL,
    status.WEBHOOK,
    status.SIGNATURE,
    status.EFFECT,
    status.HOLD,
    status.DEAD_LETTER_ITEM,
    status.DEAD_LETTER_DONE,
)


def invoice(state, due, paid="0.00", balance="100.00"):
    return status.invoice(
        state, due=due, today=TODAY, paid=Decimal(paid), balance=Decimal(balance)
    ).label


def test_an_invoice_says_what_must_be_acted_on():
    assert invoice("sent", date(2026, 10, 30)) == "Open"
    assert invoice("sent", date(2026, 9, 25)) == "Due in 3d"
    assert invoice("sent", date(2026, 10, 30), paid="1.00") == "Partly paid"
    assert invoice("overdue", date(2026, 8, 11), paid="1.00") == "Overdue 42d"
    assert invoice("sent", date(2026, 9, 20)) == "Overdue 2d"
    assert invoice("paid", date(2026, 8, 11), balance="0.00") == "Paid"
    assert invoice("draft", date(2026, 9, 23), balance="0.00") == "Draft"


def test_a_payment_names_the_credit_that_waits():
    waiting = status.payment("succeeded", unapplied=Decimal("120"), currency_code="USD")
    assert waiting.label == "Unallocated $120.00"
    assert status.payment("succeeded", unapplied=ZERO, currency_code="USD").label == "Succeeded"
    assert status.payment("reversed", unapplied=ZERO, currency_code="USD").label == "Reversed"


def test_a_payment_says_what_a_provider_took_of_it():
    def label(state: str, *, unapplied="0", refunded="0", disputed="0"):
        return status.payment(
            state,
            unapplied=Decimal(unapplied),
            currency_code="USD",
            refunded=Decimal(refunded),
            disputed=Decimal(disputed),
        ).label

    assert label("succeeded", refunded="30") == "Partly refunded"
    assert label("succeeded", refunded="30", unapplied="10") == "Unallocated $10.00"
    assert label("succeeded", refunded="30", unapplied="10", disputed="5") == "Disputed $5.00"
    assert label("reversed", refunded="100") == "Refunded"
    assert label("reversed", refunded="30", disputed="70") == "Disputed $70.00"
    assert label("reversed") == "Reversed"


def badges():
    return sorted({badge for table in TABLES for badge in table.values()}, key=str)


@pytest.mark.parametrize("badge", badges(), ids=str)
def test_every_badge_has_a_word_an_icon_that_exists_and_a_colour_that_exists(badge):
    assert badge.label
    assert f'<symbol id="{badge.icon}"' in (ROOT / "assets/icons.svg").read_text()
    assert f".b-{badge.scale} " in (ROOT / "assets/app.css").read_text()


def test_every_timeline_mark_exists():
    icons = (ROOT / "assets/icons.svg").read_text()
    for icon, tone in status._TIMELINE.values():
        assert f'<symbol id="{icon}"' in icons
        assert tone in ("", "good", "bad")


def test_a_timeline_entry_takes_the_longest_name_that_is_known():
    assert status.timeline("invoice.sent").icon == "send"
    assert status.timeline("invoice.something_new").icon == "file-text"
    assert status.timeline("payment.failed.card_declined").tone == "bad"
    assert status.timeline("unheard_of").icon == "history"


def test_the_style_sheet_names_only_scales_that_are_loaded():
    loaded = set(re.findall(r'"(\w+)"', (ROOT / "rxconfig.py").read_text()))
    named = set(re.findall(r"var\(--([a-z]+)-a?\d+\)", (ROOT / "assets/app.css").read_text()))
    assert named - {"age", "text"} <= loaded
