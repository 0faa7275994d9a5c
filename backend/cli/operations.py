"""Commands that run and check the service: migrate, api, demo, dunning, verify."""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import date
from typing import Any

from backend import migrate
from backend.api import render
from backend.bootstrap import open_services
from backend.cli.command import (
    CommandFailed,
    add_command,
    add_group,
    answer,
    as_day,
    as_uuid,
    inside,
    services,
    start,
    whole_number,
)
from backend.demo.service import CUSTOMERS_DEFAULT, INVOICES_DEFAULT, build_demo
from backend.dunning.preview import PreviewView
from backend.dunning.service import preview_run, request_evaluation
from backend.unit_of_work import UnitOfWork, read, run
from backend.verification.service import Verification, verify_books

# More than a terminal is read; the JSON has them all.
FINDINGS_SHOWN_MAX = 50
# What is too much for a story is for the demo to say; this only bounds what is read.
NUMBER_MAX = 2**31 - 1


def add_commands(commands: Any) -> None:
    """Add `migrate`, `api`, `demo`, `dunning` and `verify`."""
    add_command(commands, "migrate", _migrate, "bring the database to this version's tables")

    api = add_command(commands, "api", _api, "serve the HTTP API alone", json=False)
    api.add_argument("--host", help="default: BILLERJACKET_HOST, else 127.0.0.1")
    api.add_argument(
        "--port",
        type=whole_number(1, 65535),
        help="default: BILLERJACKET_PORT, else 8000",
    )
    api.add_argument(
        "--workers",
        type=whole_number(1, 64),
        default=1,
        help="how many processes; default: 1",
    )

    demo = add_command(commands, "demo", _demo, "put two businesses into an empty database")
    for option, default, what in (
        ("--seed", 1, "the same number gives the same story"),
        ("--customers", CUSTOMERS_DEFAULT, "how many customers together"),
        ("--invoices", INVOICES_DEFAULT, "how many invoices together"),
    ):
        demo.add_argument(
            option,
            type=whole_number(0, NUMBER_MAX),
            default=default,
            metavar="N",
            help=f"{what}; default: {default}",
        )

    dunning = add_group(commands, "dunning", "chase overdue invoices")
    now = add_command(dunning, "run", _run_dunning, "queue an evaluation, which the worker does")
    ahead = add_command(dunning, "preview", _preview_dunning, "what such a run would send, and why")
    for command in (now, ahead):
        command.add_argument("--tenant", required=True, type=as_uuid, help="the tenant's id")
        command.add_argument("--as-of", type=as_day, metavar="YYYY-MM-DD", help="instead of today")
        command.add_argument(
            "--keep-gap",
            action="store_true",
            help="pass over customers who had a reminder within the tenant's gap",
        )

    verify = add_command(
        commands, "verify", _verify, "prove the books and the audit chain; 1 when something differs"
    )
    verify.add_argument("--tenant", type=as_uuid, help="only this tenant")


def _migrate(arguments: argparse.Namespace) -> int:
    opened = open_services(start())
    try:
        was_at_head = migrate.is_at_head(opened.db)
        migrate.upgrade(opened.db)
    finally:
        opened.close()
    text = "The database was at head." if was_at_head else "The database is at head now."
    answer(arguments, text, migrated=not was_at_head)
    return 0


def _api(arguments: argparse.Namespace) -> int:
    # The web framework takes as long to load as all the rest; no other command needs it.
    from backend.api.server import serve

    settings = start()
    with services(settings, migrating=True):
        pass  # Every worker opens its own; here only the database is made ready.
    serve(
        arguments.host or settings.host,
        arguments.port or settings.port,
        workers=arguments.workers,
    )
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    settings = start()
    if settings.is_production:
        raise CommandFailed("demo data has a well-known password; production takes none")
    with services(settings, migrating=True) as opened:
        made = build_demo(
            opened.db,
            seed=arguments.seed,
            customers=arguments.customers,
            invoices=arguments.invoices,
        )
    lines = [f"Tenant {one.name}: {one.id}, sign in as {one.admin_email}" for one in made.tenants]
    lines += [
        f"Platform: sign in as {made.superadmin_email}",
        f"Password of all: {made.password}",
        f"API key of {made.tenants[0].name}, shown only now: {made.api_key}",
    ]
    answer(
        arguments,
        "\n".join(lines),
        tenants=[
            {
                "tenant_id": one.id,
                "name": one.name,
                "admin_email": one.admin_email,
                "finance_email": one.finance_email,
                "support_email": one.support_email,
            }
            for one in made.tenants
        ],
        superadmin_email=made.superadmin_email,
        password=made.password,
        api_key=made.api_key,
    )
    return 0


def _run_dunning(arguments: argparse.Namespace) -> int:
    actor = inside(arguments.tenant)
    with services(start()) as opened:
        run(opened.db, actor, _queue_evaluation, arguments.as_of, arguments.keep_gap)
    answer(
        arguments,
        f"Queued; the worker evaluates it. Correlation id {actor.correlation_id}",
        status="queued",
        correlation_id=actor.correlation_id,
    )
    return 0


def _queue_evaluation(work: UnitOfWork, as_of: date | None, keep_gap: bool) -> None:
    assert work.tenant.id == work.tenant_id  # Refuses an unknown tenant.
    request_evaluation(work, as_of=as_of, keep_gap=keep_gap)


def _preview_dunning(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        found = read(
            opened.db,
            inside(arguments.tenant),
            preview_run,
            arguments.as_of,
            keep_gap=arguments.keep_gap,
        )
    answer(arguments, _told_ahead(found), **render.preview(found))
    return 0


def _told_ahead(found: PreviewView) -> str:
    """The preview for a terminal: each e-mail, and how many invoices are passed over and why."""
    invoice_count = sum(len(email.invoices) for email in found.would_send)
    lines = [f"On {found.as_of}: {len(found.would_send)} e-mails about {invoice_count} invoices."]
    lines += [
        f"  {email.customer_name} <{email.to_address}>: {email.template_key}, "
        f"{', '.join(step.invoice_number for step in email.invoices)}"
        for email in found.would_send[:FINDINGS_SHOWN_MAX]
    ]
    if len(found.would_send) > FINDINGS_SHOWN_MAX:
        lines.append(f"  and {len(found.would_send) - FINDINGS_SHOWN_MAX} more (--json has all)")
    counts = Counter(one.reason for one in found.not_chased)
    lines += [f"  not chased, {reason}: {count}" for reason, count in counts.most_common()]
    return "\n".join(lines)


def _verify(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        result = verify_books(opened.db, arguments.tenant)
    answer(
        arguments,
        _told(result),
        proven=result.is_proven,
        tenants=result.tenants,
        checked=result.checked,
        findings=[
            {
                "tenant_id": finding.tenant_id,
                "check": finding.check,
                "subject": finding.subject,
                "expected": finding.expected,
                "found": finding.found,
            }
            for finding in result.findings
        ],
    )
    return 0 if result.is_proven else 1


def _told(result: Verification) -> str:
    counts = ", ".join(
        f"{count} {kind.replace('_', ' ')}" for kind, count in result.checked.items()
    )
    if result.is_proven:
        return f"The books agree: {result.tenants} tenants, {counts}."
    lines = [f"{len(result.findings)} differences ({result.tenants} tenants, {counts}):"]
    lines += [
        f"  tenant {one.tenant_id}: {one.check}: {one.subject}: "
        f"expected {one.expected}, found {one.found}"
        for one in result.findings[:FINDINGS_SHOWN_MAX]
    ]
    if len(result.findings) > FINDINGS_SHOWN_MAX:
        lines.append(f"  and {len(result.findings) - FINDINGS_SHOWN_MAX} more (--json has all)")
    return "\n".join(lines)
