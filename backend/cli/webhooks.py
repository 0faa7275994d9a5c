"""Commands for the addresses that payment providers deliver to."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

from backend.actor import Actor
from backend.bootstrap import Services
from backend.cli.command import (
    CommandFailed,
    add_command,
    add_group,
    answer,
    as_uuid,
    inside,
    platform,
    services,
    start,
)
from backend.config import Settings
from backend.unit_of_work import read, run
from backend.webhooks import endpoints
from backend.webhooks.endpoints import CreateEndpoint, EndpointView, WhichSecret
from backend.webhooks.providers import PROVIDERS
from backend.webhooks.secrets import SecretBox


def add_commands(commands: Any) -> None:
    """Add `webhook-endpoint`."""
    group = add_group(
        commands, "webhook-endpoint", "addresses for payment providers, and their secrets"
    )
    create = add_command(
        group, "create", _create, "make an address; token and secret are shown now"
    )
    create.add_argument("--tenant", required=True, type=as_uuid, help="the tenant's id")
    create.add_argument("--provider", required=True, choices=sorted(PROVIDERS))
    _add_secret_option(create)
    rotate = add_command(
        group, "rotate", _rotate, "add a secret beside the one there is; both are good"
    )
    _add_id(rotate)
    _add_secret_option(rotate)
    retire = add_command(group, "retire", _retire, "refuse the older of two secrets")
    _add_id(retire)
    retire.add_argument(
        "--which",
        default=str(WhichSecret.OLDER),
        choices=[str(which) for which in WhichSecret],
        help="default: older",
    )
    for name, run_it, help_text in (
        ("deactivate", _deactivate, "refuse its deliveries at once"),
        ("activate", _activate, "take its deliveries again"),
    ):
        _add_id(add_command(group, name, run_it, help_text))
    listed = add_command(group, "list", _list, "the addresses of a tenant, newest first")
    listed.add_argument("--tenant", required=True, type=as_uuid, help="the tenant's id")


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--id", required=True, type=as_uuid, help="the endpoint's id")


def _add_secret_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secret-stdin",
        action="store_true",
        help="read the provider's signing secret from standard input; otherwise one is made up",
    )


def _create(arguments: argparse.Namespace) -> int:
    settings = start()
    command = CreateEndpoint(arguments.provider, _given_secret(arguments))
    with services(settings) as opened:
        made = run(
            opened.db, inside(arguments.tenant), endpoints.create_endpoint, _box(settings), command
        )
    url = made.url(settings.public_url)
    answer(
        arguments,
        f"Webhook endpoint {made.webhook_endpoint_id}, shown only now:\n{url}\n"
        f"Secret: {made.secret}",
        webhook_endpoint_id=made.webhook_endpoint_id,
        endpoint_token=made.endpoint_token,
        url=url,
        secret=made.secret,
    )
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    settings = start()
    given = _given_secret(arguments)
    with services(settings) as opened:
        actor = _owner(opened, arguments.id)
        added = run(opened.db, actor, endpoints.add_secret, _box(settings), arguments.id, given)
    answer(
        arguments,
        f"Secret, shown only now: {added}\nThe one before is good until it is retired.",
        webhook_endpoint_id=arguments.id,
        secret=added,
    )
    return 0


def _retire(arguments: argparse.Namespace) -> int:
    which = WhichSecret(arguments.which)
    with services(start()) as opened:
        actor = _owner(opened, arguments.id)
        run(opened.db, actor, endpoints.retire_secret, arguments.id, which)
    answer(arguments, "Retired.", webhook_endpoint_id=arguments.id, retired=which)
    return 0


def _deactivate(arguments: argparse.Namespace) -> int:
    return _switch(arguments, endpoints.deactivate_endpoint, "Deactivated.", "inactive")


def _activate(arguments: argparse.Namespace) -> int:
    return _switch(arguments, endpoints.activate_endpoint, "Activated.", "active")


def _switch(
    arguments: argparse.Namespace, use_case: Callable[..., None], text: str, status: str
) -> int:
    with services(start()) as opened:
        run(opened.db, _owner(opened, arguments.id), use_case, arguments.id)
    answer(arguments, text, webhook_endpoint_id=arguments.id, status=status)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        found = read(opened.db, inside(arguments.tenant), endpoints.list_endpoints)
    answer(
        arguments,
        "\n".join(map(_line, found)) or "There are none.",
        items=[{name: getattr(one, name) for name in one.__slots__} for one in found],
    )
    return 0


def _line(endpoint: EndpointView) -> str:
    state = "active" if endpoint.is_active else "inactive"
    secrets = "two secrets" if endpoint.previous_secret_set_at else "one secret"
    return (
        f"{endpoint.webhook_endpoint_id}  {endpoint.provider}  {endpoint.token_hint}…  {state}, "
        f"{secrets}, {endpoint.refused_count} refused"
    )


def _owner(opened: Services, endpoint_id: UUID) -> Actor:
    """The person at the command line, inside the tenant whose endpoint this is."""
    return inside(read(opened.db, platform(), endpoints.get_tenant_of_endpoint, endpoint_id))


def _box(settings: Settings) -> SecretBox:
    return SecretBox(settings.secret_key.get_secret_value())


def _given_secret(arguments: argparse.Namespace) -> str | None:
    if not arguments.secret_stdin:
        return None
    secret = sys.stdin.readline().strip()
    if not secret:
        raise CommandFailed("no secret on standard input")
    return secret
