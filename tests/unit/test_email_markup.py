"""What HTML a tenant may put into its e-mails, and what its values can become there."""

from dataclasses import replace
from time import perf_counter

import pytest

from backend.communications.markup import check_markup
from backend.communications.samples import check_with_samples, sample_context, variables_of
from backend.communications.template_store import check_step_subject, checked_source
from backend.communications.templates import (
    TemplateKey,
    TemplateSource,
    default_template,
    render,
)
from backend.errors import InvalidInput

REMINDER = TemplateKey.OVERDUE_NOTICE


def refused_part(**parts: str) -> str:
    """The part that is named when a reminder with these parts is refused."""
    with pytest.raises(InvalidInput) as refusal:
        checked_source(REMINDER, replace(default_template(REMINDER), **parts))
    return refusal.value.errors[0].field


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<style>p { color: red }</style>",
        "<svg/onload=1>",
        "<iframe src='https://x.example'></iframe>",
        "<form action='https://x.example'></form>",
        "<!doctype html>",
        "<!-- x -->",
        "<!-- x",
        "<?php ?>",
        "<![CDATA[x",
        "<p onclick='x()'>x</p>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href=' java\nscript:alert(1)'>x</a>",
        "<a href='data:text/html,x'>x</a>",
        "<a href='//x.example'>x</a>",
        "<img src='http://x.example/a.png'>",
        "<img src='https://x.example/a.png'",
        "<a href='https://x.example",
        "<p style='background: url(https://x.example)'>x</p>",
        "<div>",
        "</div>",
        "</div><div>",
        "</x-frame><x-frame>",
        "<x-frame>",
        "</td></tr></table>",
        "<b><i></b></i>",
    ],
)
def test_html_that_an_e_mail_may_not_hold_is_refused(html: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_markup(html)
    assert refusal.value.errors[0].field == "html"


@pytest.mark.parametrize(
    "html",
    [
        "<p>One<p>Two",
        "<ul><li>a<li>b</ul>",
        "<table><tr><td>x</table>",
        "<a href='https://x.example/pay?a=1&amp;b=2' style='color: #123456'>Pay</a><br/>",
        "<a href='mailto:ap@x.example'>Write</a> or <a href='tel:+13035550100'>call</a>",
        "<img src='https://x.example/logo.png' alt='Ridge Roofing' width='120'>",
        "a < b &amp; c",
    ],
)
def test_html_of_ordinary_letters_is_taken(html: str) -> None:
    check_markup(html)


@pytest.mark.parametrize(
    "html",
    [
        "<a href='{{ customer_name }}'>x</a>",
        "<p title={{ customer_name }}>x</p>",
        "<{{ customer_name }}>",
        "<p {{ customer_name }}>x</p>",
    ],
)
def test_a_place_where_a_customers_name_would_be_more_than_text_is_refused(html: str) -> None:
    assert refused_part(html=html) == "html"


def test_a_customers_name_stays_text_wherever_a_template_may_place_it() -> None:
    name = '"><img src=x onerror=alert(1)>'
    source = TemplateSource(
        "To {{ customer_name }}",
        "{{ customer_name }}",
        "<p title='{{ customer_name }}'>{{ customer_name }}</p>",
    )
    checked_source(REMINDER, source)
    email = render(REMINDER, {**sample_context(REMINDER), "customer_name": name}, source)
    assert "<img" not in email.html
    assert email.html.count("&lt;img") == 3  # the title of the page, a title, and text
    assert email.subject == f"To {name}"


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (
            "html",
            "{% for a in invoice_table %}{% for b in invoice_table %}{% endfor %}{% endfor %}",
        ),
        ("text", "{% for a in customer_name %}{{ a }}{% endfor %}"),
        ("text", "{{ invoice_table|join(invoice_table) }}"),
        ("html", "{{ issuer_lines|join(invoice_table) }}"),
        ("html", "{% for a in issuer_lines %}{% endfor %}" * 11),
        ("html", "{{ issuer_lines|listed }}"),
        ("text", "{{ customer_name.format_map }}"),
        ("text", "{{ customer_name.__class__ }}"),
        ("html", "{{ self }}"),
        ("html", "{{ self.__init__ }}"),
        ("text", "{% for a in issuer_lines %}{{ loop.previtem }}{% endfor %}"),
        # Broken only for one invoice, only for many, only with a promise: all are tried.
        ("text", "{% if is_single %}{{ nothing }}{% endif %}x"),
        ("text", "{% if not is_single %}{{ nothing }}{% endif %}x"),
        ("subject", "{% if is_single %}x{% endif %}"),
        ("text", "{% if not is_single %}x{% endif %}"),
        ("subject", "{{ number }}"),
        ("subject", "x" * 501),
        ("subject", " "),
        ("html", "\x00"),
    ],
)
def test_a_broken_or_greedy_template_is_refused_at_once(part: str, source: str) -> None:
    begun = perf_counter()
    assert refused_part(**{part: source}) == part
    assert perf_counter() - begun < 1


@pytest.mark.parametrize("key", [*TemplateKey, "site_visit"])
def test_every_default_passes_the_check_of_a_tenants_own(key: str) -> None:
    checked_source(key, default_template(key))


@pytest.mark.parametrize("key", [*TemplateKey, "site_visit"])
def test_the_documented_variables_are_those_there_are(key: str) -> None:
    assert {one.name for one in variables_of(key)} == set(sample_context(key))
    for variable in variables_of(key):
        source = replace(default_template(key), html=f"<p>{{{{ {variable.name} }}}}</p>")
        check_with_samples(key, source)


def test_a_steps_subject_is_checked_like_a_templates() -> None:
    assert check_step_subject(" {{ invoices_named }} again ") == "{{ invoices_named }} again"
    with pytest.raises(InvalidInput) as refusal:
        check_step_subject("{{ number }}")
    assert refusal.value.errors[0].field == "subject"
