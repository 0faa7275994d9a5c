"""E-mail templates: what the defaults say, and what no template and no name can do."""

import re
from datetime import date
from decimal import Decimal

import pytest

from backend.communications.contexts import (
    ROWS_MAX,
    Issuer,
    OpenInvoice,
    PaidInvoice,
    dunning_context,
    invoice_context,
    receipt_context,
)
from backend.communications.templates import (
    SUBJECT_CHARACTERS_MAX,
    RenderedEmail,
    TemplateKey,
    TemplateSource,
    Value,
    check_template,
    default_template,
    render,
)
from backend.errors import InvalidInput

TODAY = date(2026, 7, 15)
ISSUER = Issuer("Summit Ridge Roofing", ("2100 Arapahoe Street", "billing@summitridge.example"))
REMINDERS = [
    TemplateKey.FRIENDLY_REMINDER,
    TemplateKey.OVERDUE_NOTICE,
    TemplateKey.FINAL_WARNING,
    TemplateKey.LAST_CALL,
]


def an_open_invoice(nth: int = 1, **changes: object) -> OpenInvoice:
    facts: dict[str, object] = {
        "number": f"INV-{nth:06}",
        "due_date": date(2026, 7, 3),
        "balance_due": Decimal("100.50"),
        "currency_code": "USD",
    }
    return OpenInvoice(**(facts | changes))  # type: ignore[arg-type]


def an_invoice_context(
    issuer: Issuer = ISSUER, customer_name: str = "Harbor View LLC"
) -> dict[str, Value]:
    return invoice_context(
        issuer,
        customer_name,
        number="INV-000123",
        issue_date=date(2026, 6, 3),
        due_date=date(2026, 7, 3),
        total=Decimal("2002.62"),
        balance_due=Decimal("2002.62"),
        currency_code="USD",
        purchase_order_number="PO-4471",
    )


def a_receipt_context(unapplied: str = "0.00", invoices: int = 1) -> dict[str, Value]:
    return receipt_context(
        ISSUER,
        "Harbor View LLC",
        amount=Decimal("500.00"),
        unapplied=Decimal(unapplied),
        received_on=date(2026, 7, 5),
        currency_code="USD",
        invoices=[
            PaidInvoice(f"INV-{n:06}", Decimal("250.00"), Decimal(n % 2)) for n in range(invoices)
        ],
    )


def reminder(key: TemplateKey, *invoices: OpenInvoice) -> RenderedEmail:
    return render(key, dunning_context(ISSUER, "Harbor View LLC", list(invoices), today=TODAY))


def rendered(
    text: str = "x", *, subject: str = "x", html: str = "x", **values: Value
) -> RenderedEmail:
    context: dict[str, Value] = {"issuer_name": "I", "issuer_lines": [], **values}
    return render(TemplateKey.INVOICE, context, TemplateSource(subject, text, html))


def test_the_invoice_e_mail_says_what_is_owed_and_by_when() -> None:
    email = render(TemplateKey.INVOICE, an_invoice_context())
    assert email.subject == "Invoice INV-000123 from Summit Ridge Roofing, due Jul 3, 2026"
    for body in (email.text, email.html):
        for fact in ("Harbor View LLC", "INV-000123", "$2,002.62", "Jul 3, 2026", "PO-4471"):
            assert fact in body
    assert "2100 Arapahoe Street" in email.html


@pytest.mark.parametrize("key", REMINDERS)
def test_a_reminder_lists_every_invoice_and_the_sum(key: TemplateKey) -> None:
    email = reminder(key, an_open_invoice(1), an_open_invoice(2, balance_due=Decimal("50.00")))
    for body in (email.text, email.html):
        for fact in ("INV-000001", "INV-000002", "$100.50", "$50.00", "$150.50", "12 days ago"):
            assert fact in body


@pytest.mark.parametrize("key", REMINDERS)
def test_a_reminder_of_one_invoice_speaks_of_one(key: TemplateKey) -> None:
    email = reminder(key, an_open_invoice(1))
    assert "invoices" not in (email.subject + email.text).lower()
    assert "invoices" in reminder(key, an_open_invoice(1), an_open_invoice(2)).text.lower()


def test_reminders_become_firmer_and_no_two_are_alike() -> None:
    subjects = [reminder(key, an_open_invoice(1)).subject for key in REMINDERS]
    assert len(set(subjects)) == len(REMINDERS)
    assert subjects[0].startswith("A reminder")
    assert subjects[-1].startswith("Last notice")


def test_a_broken_promise_is_named() -> None:
    invoice = an_open_invoice(broken_promise_on=date(2026, 7, 10))
    email = reminder(TemplateKey.OVERDUE_NOTICE, invoice)
    assert "promised for Jul 10, 2026" in email.text
    assert "promised for Jul 10, 2026" in email.html


def test_sums_are_kept_apart_by_currency() -> None:
    email = reminder(
        TemplateKey.OVERDUE_NOTICE, an_open_invoice(1), an_open_invoice(2, currency_code="EUR")
    )
    assert "Total due: $100.50 and €100.50" in email.text


def test_a_customer_with_very_many_invoices_gets_the_first_and_the_sum_of_all() -> None:
    invoices = [an_open_invoice(number) for number in range(1, ROWS_MAX + 31)]
    email = reminder(TemplateKey.FINAL_WARNING, *invoices)
    assert f"INV-{ROWS_MAX:06}" in email.text
    assert f"INV-{ROWS_MAX + 1:06}" not in email.text
    assert "and 30 more" in email.html
    assert "$8,040.00" in email.text


def test_a_receipt_says_where_the_money_went_and_what_is_kept() -> None:
    email = render(TemplateKey.RECEIPT, a_receipt_context(unapplied="12.00", invoices=2))
    for body in (email.text, email.html):
        for fact in ("$500.00", "INV-000000", "paid in full", "$1.00 remains open", "$12.00"):
            assert fact in body
    nothing_applied = render(TemplateKey.RECEIPT, a_receipt_context(invoices=0))
    assert "where it went" not in nothing_applied.text
    assert "credit" not in nothing_applied.text


@pytest.mark.parametrize("key", TemplateKey)
def test_the_html_of_every_default_has_both_colour_schemes(key: TemplateKey) -> None:
    context = {
        TemplateKey.INVOICE: an_invoice_context(),
        TemplateKey.RECEIPT: a_receipt_context(),
    }.get(key) or dunning_context(ISSUER, "Harbor View LLC", [an_open_invoice()], today=TODAY)
    email = render(key, context)
    assert 'name="color-scheme" content="light dark"' in email.html
    assert "prefers-color-scheme: dark" in email.html
    assert email.html.count("<p>") == email.html.count("</p>")
    assert "{{" not in email.html + email.text + email.subject
    assert not re.search(r"(?i)<script|http-equiv|src=|href=", email.html)


HOSTILE = '<script>alert(1)</script> & "quoted" {{ issuer_name }} {% raw %}'


def test_a_customers_name_cannot_become_markup_or_template() -> None:
    context = an_invoice_context(Issuer(HOSTILE, (HOSTILE,)), HOSTILE)
    email = render(TemplateKey.INVOICE, context)
    assert "<script" not in email.html
    assert email.html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "{{ issuer_name }}" in email.html
    assert HOSTILE in email.text


def test_names_inside_tables_are_escaped_too() -> None:
    email = reminder(TemplateKey.OVERDUE_NOTICE, an_open_invoice(number="<b>1</b>"))
    assert "<b>1</b>" not in email.html
    assert "&lt;b&gt;1&lt;/b&gt;" in email.html


def test_a_name_cannot_add_a_header_or_a_line_to_the_subject() -> None:
    issuer = Issuer("Acme\r\nBcc: everyone@example.com\x00\x1b", ())
    email = render(TemplateKey.INVOICE, an_invoice_context(issuer, "A\nB"))
    assert "\n" not in email.subject
    assert "\r" not in email.subject
    assert email.subject.startswith("Invoice INV-000123 from Acme Bcc: everyone@example.com,")
    assert "Hello A B," in email.text


def test_a_subject_is_cut_to_what_can_be_shown() -> None:
    email = rendered(subject="{{ name }}", name="x" * 5000)
    assert len(email.subject) == SUBJECT_CHARACTERS_MAX


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__class__ }}",
        "{{ name.upper() }}",
        "{{ range(9) }}",
        "{% for x in range(99999999) %}x{% endfor %}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x' * 99999999 }}",
        "{{ '%99999999d' % 1 }}",
        "{{ name ~ name }}",
        "{{ name[0] }}",
        "{{ name|format(1) }}",
        "{{ name|center(99999999) }}",
        "{{ '<b>'|safe }}",
        "{{ name|attr('x') }}",
        "{% autoescape false %}{{ name }}{% endautoescape %}",
        "{% set a = 1 %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% include 'secrets' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% call x() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
        "{% for x in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% for a in items %}" * 3 + "{% endfor %}" * 3,
        "{{ self }}",
        "{{ lipsum }}",
        "{{ cycler }}",
        "{{ missing }}",
        "{{ name.missing }}",
        "{{ unclosed",
        "{% if name %}",
        "x" * 20_001,
        "{% if name %}" * 800 + "{% endif %}" * 800,
        "{{ " + "not " * 4000 + "name }}",
    ],
)
@pytest.mark.parametrize("part", ["subject", "text", "html"])
def test_a_template_can_do_nothing_but_place_its_values(source: str, part: str) -> None:
    parts = {"subject": "x", "text": "x", "html": "x"} | {part: source}
    context: dict[str, Value] = {
        "issuer_name": "I",
        "issuer_lines": [],
        "name": "N",
        "items": ["a"],
    }
    with pytest.raises(InvalidInput) as refusal:
        render(TemplateKey.INVOICE, context, TemplateSource(**parts))
    assert refusal.value.errors[0].field == part


def test_a_template_that_repeats_itself_too_much_is_stopped() -> None:
    twice = "{% for a in items %}{% for b in items %}{{ long }}{% endfor %}{% endfor %}"
    with pytest.raises(InvalidInput, match="too long"):
        rendered(twice, items=["x"] * 200, long="y" * 1000)


def test_a_list_that_is_too_long_is_our_own_mistake_and_says_so() -> None:
    with pytest.raises(ValueError, match="at most"):
        rendered(items=["x"] * 201)


def test_what_a_template_may_do_it_can_do() -> None:
    email = rendered(
        "{% for row in rows %}{{ loop.index }}. {{ row.name|upper }}"
        "{% if not loop.last and row.due > 3 %}, {% endif %}{% endfor %}",
        html="<p>{{ names|join(', ') }}{{ ' (one)' if names|length == 1 else '' }}</p>",
        rows=[{"name": "a", "due": 5}, {"name": "b", "due": 1}],
        names=["<a>"],
    )
    assert email.text == "1. A, 2. B\n"
    assert "<p>&lt;a&gt; (one)</p>" in email.html


def test_a_template_is_checked_before_it_is_kept() -> None:
    for key in TemplateKey:
        check_template(default_template(key))
    with pytest.raises(InvalidInput) as refusal:
        check_template(TemplateSource("fine", "fine", "{% set a = 1 %}"))
    assert refusal.value.errors[0].field == "html"
