"""A tenant's own wording: kept, tried, sent, reset; and never anybody else's."""

from dataclasses import replace
from uuid import UUID

import pytest

from backend.actor import Actor, Role
from backend.communications.models import CommunicationStatus, CommunicationType
from backend.communications.queries import get_communication, list_communications
from backend.communications.template_store import (
    create_template,
    get_template,
    list_templates,
    reminder_keys,
    save_template,
    tenant_source,
)
from backend.communications.templates import TemplateKey, TemplateSource, default_template
from backend.customers.queries import CustomerView
from backend.db.engine import Database
from backend.dunning.plans import CreatePlan, StepInput, create_plan
from backend.dunning.template_trial import preview_template, reset_template, send_test
from backend.errors import InvalidInput, NotAllowed, NotFound, RuleRefused, StateConflict
from backend.tenants.service import UpdateTenant, update_tenant
from backend.unit_of_work import read, run
from tests.emails import RecordingMailer, envelopes, handle, handle_all
from tests.factories import actor_in, make_customer, make_invoice, make_tenant, raw_rows

OWN = TemplateSource(
    "Hi {{ customer_name }}", "{{ invoice_table }}", "<p>{{ total_due }}</p>{{ invoice_table }}"
)
KEY = TemplateKey.FRIENDLY_REMINDER


@pytest.fixture
def payer(db: Database, actor: Actor) -> CustomerView:
    return make_customer(db, actor, "Harbor Dental Group", email="ap@harbor.example")


def test_a_wording_is_kept_changed_and_reset(db: Database, actor: Actor) -> None:
    before = read(db, actor, get_template, KEY)
    assert (before.is_own, before.version) == (False, 0)
    saved = run(db, actor, save_template, KEY, None, OWN, 0)
    assert (saved.is_own, saved.version, saved.name) == (True, 1, "Friendly reminder")
    assert saved.source.subject == OWN.subject
    assert read(db, actor, tenant_source, KEY) == saved.source
    again = run(db, actor, save_template, KEY, "Kind", replace(OWN, subject="Hm"), 1)
    assert (again.version, again.name, again.source.subject) == (2, "Kind", "Hm")
    assert run(db, actor, save_template, KEY, "Kind", replace(OWN, subject="Hm"), 2) == again
    with pytest.raises(StateConflict, match="Somebody else"):
        run(db, actor, save_template, KEY, None, OWN, 1)
    run(db, actor, reset_template, KEY)
    run(db, actor, reset_template, KEY)
    assert read(db, actor, get_template, KEY) == before
    assert read(db, actor, tenant_source, KEY) is None
    actions = raw_rows(
        db, "SELECT action FROM audit_log WHERE entity_type = 'email_template' ORDER BY sequence"
    )
    assert [action for (action,) in actions] == [
        "email_template.saved",
        "email_template.saved",
        "email_template.reset",
    ]


def test_a_broken_wording_changes_nothing(db: Database, actor: Actor) -> None:
    with pytest.raises(InvalidInput) as refusal:
        run(db, actor, save_template, KEY, None, replace(OWN, html="{{ nope }}"))
    assert refusal.value.errors[0].field == "html"
    assert not read(db, actor, get_template, KEY).is_own


def test_a_reminder_of_ones_own_can_be_a_step_and_is_not_removed_while_it_is(
    db: Database, actor: Actor
) -> None:
    made = run(db, actor, create_template, "After the site visit!", KEY)
    assert made.template_key == "after_the_site_visit"
    assert made.source == default_template(KEY)
    assert made.template_key in read(db, actor, reminder_keys)
    assert [one.template_key for one in read(db, actor, list_templates)] == [
        *TemplateKey,
        made.template_key,
    ]
    plan = CreatePlan("Own", (StepInput(5, made.template_key),))
    run(db, actor, create_plan, plan)
    with pytest.raises(StateConflict, match="plan Own"):
        run(db, actor, reset_template, made.template_key)
    other = run(db, actor, create_template, "Æ!", made.template_key)
    run(db, actor, reset_template, other.template_key)
    with pytest.raises(NotFound):
        read(db, actor, get_template, other.template_key)


def test_what_cannot_be_a_reminder_of_ones_own_is_refused(db: Database, actor: Actor) -> None:
    run(db, actor, create_template, "Visit", KEY)
    for name, based_on, field in (
        ("visit", KEY, "name"),
        ("", KEY, "name"),
        ("x" * 101, KEY, "name"),
        ("Receipt two", "receipt", "based_on"),
        ("New", "nothing", "based_on"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            run(db, actor, create_template, name, based_on)
        assert refusal.value.errors[0].field == field
    # A name that another key has is no trouble, and neither is a default's key.
    assert run(db, actor, create_template, "Invoice-", KEY).template_key == "invoice_2"


def test_a_wording_is_its_tenants_alone(db: Database, actor: Actor) -> None:
    run(db, actor, save_template, KEY, None, OWN)
    made = run(db, actor, create_template, "Visit", KEY)
    stranger = actor_in(make_tenant(db, "Other"))
    assert read(db, stranger, tenant_source, KEY) is None
    assert made.template_key not in read(db, stranger, reminder_keys)
    assert len(read(db, stranger, list_templates)) == len(TemplateKey)
    for act in (
        lambda: read(db, stranger, get_template, made.template_key),
        lambda: run(db, stranger, save_template, made.template_key, None, OWN),
        lambda: run(db, stranger, reset_template, made.template_key),
    ):
        with pytest.raises(NotFound):
            act()


def test_support_may_look_and_not_touch(db: Database, actor: Actor) -> None:
    support = actor_in(actor.tenant_id, Role.SUPPORT)
    read(db, support, list_templates)
    for act in (
        lambda: run(db, support, save_template, KEY, None, OWN),
        lambda: run(db, support, create_template, "Visit", KEY),
        lambda: run(db, support, reset_template, KEY),
        lambda: run(db, support, send_test, KEY, OWN, None, "me@ridge.example"),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_the_own_wording_and_address_go_out_with_an_invoice(
    db: Database, actor: Actor, payer: CustomerView
) -> None:
    source = TemplateSource("For {{ total }}", "Own {{ number }}", "<p>Own {{ number }}</p>")
    run(db, actor, save_template, TemplateKey.INVOICE, None, source)
    changes = UpdateTenant(
        postal_address="12 Ridge Road\nDenver", reply_to_email="office@ridge.example"
    )
    run(db, actor, update_tenant, changes)
    make_invoice(db, actor, payer.customer_id, "99.00")
    mailer = RecordingMailer()
    handle_all(db, mailer)
    [email] = mailer.taken
    assert email.subject == "For $99.00"
    assert email.text_body.startswith("Own INV-")
    assert email.text_body.endswith("\n\n-- \n12 Ridge Road\nDenver\n")
    assert "12 Ridge Road<br>Denver" in email.html_body
    assert email.reply_to == "office@ridge.example"
    assert not email.is_reminder


@pytest.mark.parametrize("key", TemplateKey)
def test_a_preview_shows_the_invoice(
    db: Database, actor: Actor, payer: CustomerView, key: TemplateKey
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id, "99.00")
    source = default_template(key)
    email = read(db, actor, preview_template, key, source, invoice.invoice_id)
    for part in (email.text, email.html):
        assert "$99.00" in part
        assert "Harbor Dental Group" in part
        assert str(invoice.invoice_number) in part
    sample = read(db, actor, preview_template, key, source, None)
    assert "Ridge Roofing" in sample.text
    broken = replace(source, text="{{ nope }}")
    with pytest.raises(InvalidInput):
        read(db, actor, preview_template, key, broken, invoice.invoice_id)


def try_out(db: Database, actor: Actor, invoice_id: UUID | None, to: str) -> UUID:
    return run(db, actor, send_test, KEY, OWN, invoice_id, to)


def test_a_test_reaches_oneself_as_it_was_previewed_and_is_no_reminder(
    db: Database, actor: Actor, payer: CustomerView
) -> None:
    invoice = make_invoice(db, actor, payer.customer_id, "99.00")
    preview = read(db, actor, preview_template, KEY, OWN, invoice.invoice_id)
    communication_id = try_out(db, actor, invoice.invoice_id, "me@ridge.example")
    run(db, actor, save_template, KEY, None, replace(OWN, subject="Later"))
    mailer = RecordingMailer()
    handle(db, mailer, envelopes(db)[-1])
    handle(db, mailer, envelopes(db)[-1])
    [email] = mailer.taken
    assert email.to_address == "me@ridge.example"
    assert email.subject == f"[Test] {preview.subject}"
    assert (email.text_body, email.html_body) == (preview.text, preview.html)
    assert not email.is_reminder
    head = read(db, actor, get_communication, communication_id).head
    assert (head.type, head.status) == (CommunicationType.OTHER, CommunicationStatus.SENT)
    assert head.invoice_ids == ()
    query = "SELECT reminded_on, dunning_run_id FROM communications WHERE type = 'other'"
    assert raw_rows(db, query) == [(None, None)]


def test_a_test_that_cannot_be_sent_is_refused(db: Database, actor: Actor) -> None:
    with pytest.raises(RuleRefused, match="once there is a customer"):
        try_out(db, actor, None, "me@ridge.example")
    make_customer(db, actor, "Harbor")
    for to in ("", "nonsense"):
        with pytest.raises(InvalidInput):
            try_out(db, actor, None, to)
    broken = replace(OWN, html="<script>")
    with pytest.raises(InvalidInput):
        run(db, actor, send_test, KEY, broken, None, "me@ridge.example")
    assert read(db, actor, list_communications).items == []
    try_out(db, actor, None, "me@ridge.example")
    assert len(read(db, actor, list_communications).items) == 1
