"""The invoice as PDF: what stands on it, on how many pages, and what cannot get into it."""

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from pypdf import PdfReader

from backend.invoices.document import DocumentLine, InvoiceDocument, Party
from backend.invoices.pdf import render_invoice_pdf


def a_line(number: int = 1, description: str | None = None) -> DocumentLine:
    return DocumentLine(
        description=description or f"Line {number}: replace ridge vent",
        quantity=Decimal("2.5000"),
        unit_price=Decimal("148.00"),
        tax_rate=Decimal("8.2500"),
        line_total=Decimal("370.00"),
    )


def an_invoice(lines: int = 1) -> InvoiceDocument:
    subtotal = 370 * Decimal(lines)
    tax = (subtotal * Decimal("0.0825")).quantize(Decimal("0.01"))
    return InvoiceDocument(
        issuer=Party("Summit Ridge Roofing", ("2100 Arapahoe Street\nDenver, CO 80205",)),
        bill_to=Party("Harbor View LLC", ("88 Marina Way", "ap@harborview.example")),
        number="INV-000123",
        status="sent",
        issue_date=date(2026, 6, 3),
        due_date=date(2026, 7, 3),
        currency_code="USD",
        lines=tuple(a_line(number) for number in range(1, lines + 1)),
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax,
        paid=Decimal("0.00"),
        credited=Decimal("0.00"),
        balance_due=subtotal + tax,
        purchase_order_number="PO-4471",
        notes="Please pay by check.",
    )


def pages_of(document: InvoiceDocument) -> list[str]:
    reader = PdfReader(io.BytesIO(render_invoice_pdf(document)))
    return [page.extract_text() for page in reader.pages]


def test_shows_who_bills_whom_for_what_and_when() -> None:
    [page] = pages_of(an_invoice())
    for text in (
        "Summit Ridge Roofing",
        "Denver, CO 80205",
        "Harbor View LLC",
        "ap@harborview.example",
        "INV-000123",
        "Jun 3, 2026",
        "Jul 3, 2026",
        "PO-4471",
        "Line 1: replace ridge vent",
        "2.5",
        "$148.00",
        "8.25%",
        "$370.00",
        "$30.52",
        "$400.52",
        "Please pay by check.",
        "Page 1 of 1",
    ):
        assert text in page


def test_sixty_lines_repeat_the_head_of_the_table_on_every_page() -> None:
    pages = pages_of(an_invoice(lines=60))
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        assert "Description" in page
        assert f"Page {number} of {len(pages)}" in page
    text = "\n".join(pages)
    for number in range(1, 61):
        assert text.count(f"Line {number}:") == 1
    assert text.count("Subtotal") == 1


@pytest.mark.parametrize("lines", range(1, 46))
def test_the_totals_never_stand_on_a_page_without_a_line(lines: int) -> None:
    *_, last = pages_of(replace(an_invoice(lines), notes=None))
    assert f"Line {lines}:" in last
    assert "Subtotal" in last


def test_a_last_line_longer_than_a_page_is_broken_and_not_cut_off() -> None:
    story = " ".join(f"word{number}" for number in range(1500))
    pages = pages_of(replace(an_invoice(), lines=(a_line(description=story),)))
    text = "\n".join(pages)
    assert len(pages) > 1
    assert "word0" in text
    assert "word1499" in text
    assert "Subtotal" in pages[-1]


def test_equal_invoices_give_equal_bytes() -> None:
    assert render_invoice_pdf(an_invoice(3)) == render_invoice_pdf(an_invoice(3))
    assert render_invoice_pdf(an_invoice(3)) != render_invoice_pdf(an_invoice(4))


def test_a_name_of_two_hundred_letters_stays_in_its_column() -> None:
    long = replace(an_invoice(), bill_to=Party("W" * 200, ("X" * 200,)))
    reader = PdfReader(io.BytesIO(render_invoice_pdf(long)))
    assert len(reader.pages) == 1
    widest = 0.0
    page = reader.pages[0]

    def visit(text: str, _cm: object, matrix: list[float], *_: object) -> None:
        nonlocal widest
        if "W" in text:
            widest = max(widest, matrix[4])

    page.extract_text(visitor_text=visit)
    assert page.extract_text().count("W") >= 200
    assert widest < float(page.mediabox.width) / 2


def test_yen_has_no_decimals() -> None:
    yen = replace(
        an_invoice(),
        currency_code="JPY",
        lines=(replace(a_line(), unit_price=Decimal("1000.00"), line_total=Decimal("2500.00")),),
        subtotal=Decimal("2500.00"),
        tax=Decimal("206.00"),
        total=Decimal("2706.00"),
        balance_due=Decimal("2706.00"),
    )
    [page] = pages_of(yen)
    assert "¥1,000" in page
    assert "¥2,706" in page
    assert ".00" not in page


def test_paper_follows_the_currency() -> None:
    def width(document: InvoiceDocument) -> int:
        return round(PdfReader(io.BytesIO(render_invoice_pdf(document))).pages[0].mediabox.width)

    assert width(an_invoice()) == 612
    assert width(replace(an_invoice(), currency_code="EUR")) == 595


@pytest.mark.parametrize("name", ["Ångström & Søn", "Ελλάς", "Київ", "山田工業株式会社"])
def test_names_in_other_scripts_have_glyphs(name: str) -> None:
    [page] = pages_of(replace(an_invoice(), bill_to=Party(name)))
    assert name in page


def test_a_draft_has_no_number_and_says_so() -> None:
    draft = replace(an_invoice(), status="draft", number=None, balance_due=Decimal("0.00"))
    [page] = pages_of(draft)
    assert "INV-" not in page
    assert "Draft invoice" in page
    assert "DRAFT" in page
    assert "Balance due" not in page
    assert draft.file_name == "draft-invoice.pdf"


@pytest.mark.parametrize(("status", "mark"), [("void", "VOID"), ("cancelled", "CANCELLED")])
def test_a_dead_invoice_is_marked_and_asks_for_nothing(status: str, mark: str) -> None:
    [page] = pages_of(replace(an_invoice(), status=status, balance_due=Decimal("0.00")))
    assert mark in page
    assert "Nothing to pay" in page
    assert "Balance due" not in page


def test_a_part_payment_and_a_credit_are_taken_off() -> None:
    part = replace(
        an_invoice(),
        paid=Decimal("100.00"),
        credited=Decimal("50.52"),
        balance_due=Decimal("250.00"),
    )
    [page] = pages_of(part)
    for text in ("Paid", "\u2212$100.00", "Credited", "\u2212$50.52", "$250.00"):
        assert text in page


def test_markup_in_a_customers_text_stays_text() -> None:
    hostile = '#panic("no") *bold* $x$ [a] \\ <label> #sys.inputs "quoted" // not a comment'
    [page] = pages_of(
        replace(
            an_invoice(),
            bill_to=Party(hostile),
            notes=hostile,
            lines=(a_line(description=hostile),),
        )
    )
    assert page.replace("\n", " ").count('#panic("no") *bold* $x$') == 3


def test_control_characters_and_text_direction_tricks_are_dropped() -> None:
    [page] = pages_of(replace(an_invoice(), bill_to=Party("A\x00cme\u202e LLC\x1b[31m")))
    assert "Acme LLC[31m" in page


def test_a_number_is_made_safe_for_a_file_name() -> None:
    assert replace(an_invoice(), number="INV/../7").file_name == "INV-7.pdf"
    assert an_invoice().file_name == "INV-000123.pdf"
