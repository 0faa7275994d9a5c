"""Commands for tenants, users and API keys."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import Any

from backend import onboarding
from backend.actor import Role
from backend.cli.command import (
    WHO,
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
from backend.identity import api_keys, security, users
from backend.tenants import service as tenants
from backend.unit_of_work import read, run

# 160 random bits, written so that it can be copied by hand.
_PASSWORD_BYTES = 20


def add_commands(commands: Any) -> None:
    """Add `tenant`, `user` and `api-key`."""
    _add_tenant(commands)
    _add_user(commands)
    _add_api_key(commands)


def _add_tenant(commands: Any) -> None:
    group = add_group(commands, "tenant", "make tenants, switch them off and on")
    create = add_command(group, "create", _create_tenant, "make a tenant with the default plan")
    create.add_argument("--name", required=True, help="the business's name")
    create.add_argument("--currency", default=tenants.DEFAULT_CURRENCY, help="default: USD")
    create.add_argument(
        "--time-zone", default=tenants.DEFAULT_TIME_ZONE, help="default: America/Chicago"
    )
    for name, run_it, help_text in (
        ("deactivate", _deactivate_tenant, "refuse its keys and people at once; keep its rows"),
        ("activate", _activate_tenant, "take its keys and people again"),
    ):
        parser = add_command(group, name, run_it, help_text)
        parser.add_argument("--id", required=True, type=as_uuid, help="the tenant's id")


def _add_user(commands: Any) -> None:
    group = add_group(commands, "user", "make users, let them in again")
    create = add_command(group, "create", _create_user, "make a user who can sign in")
    create.add_argument("--email", required=True)
    create.add_argument("--role", required=True, choices=[str(role) for role in Role])
    create.add_argument("--tenant", type=as_uuid, help="the tenant's id; none for a superadmin")
    create.add_argument("--name", default="", help="how the user is called; default: the e-mail")
    create.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input; otherwise one is made up and shown",
    )
    reset = add_command(
        group,
        "reset-two-factor",
        _reset_two_factor,
        "let in with the password alone who lost phone and recovery codes; end all sessions",
    )
    reset.add_argument("--email", required=True)


def _add_api_key(commands: Any) -> None:
    group = add_group(commands, "api-key", "make and revoke API keys")
    create = add_command(group, "create", _create_api_key, "make a key; it is shown only now")
    create.add_argument("--tenant", required=True, type=as_uuid, help="the tenant's id")
    create.add_argument("--name", required=True, help="the application that will use it")
    create.add_argument(
        "--role",
        default=str(Role.ADMIN),
        choices=[str(role) for role in api_keys.ROLES],
        help="what its calls may do; default: admin",
    )
    revoke = add_command(group, "revoke", _revoke_api_key, "refuse a key at once")
    revoke.add_argument("--id", required=True, type=as_uuid, help="the key's id")


def _create_tenant(arguments: argparse.Namespace) -> int:
    command = tenants.CreateTenant(arguments.name, arguments.currency, arguments.time_zone)
    with services(start()) as opened:
        tenant_id = run(opened.db, platform(), onboarding.create_tenant, command)
    answer(arguments, f"Tenant {command.name}: {tenant_id}", tenant_id=tenant_id)
    return 0


def _deactivate_tenant(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        run(opened.db, platform(), tenants.deactivate_tenant, arguments.id)
    answer(arguments, "Deactivated.", tenant_id=arguments.id, status="inactive")
    return 0


def _activate_tenant(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        run(opened.db, platform(), tenants.activate_tenant, arguments.id)
    answer(arguments, "Activated.", tenant_id=arguments.id, status="active")
    return 0


def _create_user(arguments: argparse.Namespace) -> int:
    settings = start()
    made_up = None if arguments.password_stdin else secrets.token_urlsafe(_PASSWORD_BYTES)
    password = made_up or _password_from_stdin()
    email = users.normalise_email(arguments.email)
    role = Role(arguments.role)
    with services(settings) as opened:
        command = users.CreateUser(
            email,
            role,
            arguments.tenant,
            users.hash_new_password(password, email=email),
            arguments.name,
        )
        user_id = run(opened.db, platform(), users.create_user, command)
    shown = {"password": made_up} if made_up else {}
    text = f"User {email}: {user_id}"
    if made_up:
        text += f"\nPassword, shown only now: {made_up}"
    answer(
        arguments,
        text,
        user_id=user_id,
        email=email,
        role=role,
        tenant_id=arguments.tenant,
        **shown,
    )
    return 0


def _reset_two_factor(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        user_id = security.reset_two_factor_at_the_server(opened.db, arguments.email, who=WHO)
    answer(
        arguments,
        "Reset: the password alone opens the account now, and all its sessions have ended.",
        user_id=user_id,
        status="two_factor_off",
    )
    return 0


def _create_api_key(arguments: argparse.Namespace) -> int:
    command = api_keys.CreateApiKey(arguments.name, Role(arguments.role))
    with services(start()) as opened:
        made = run(opened.db, inside(arguments.tenant), api_keys.create_api_key, command)
    answer(
        arguments,
        f"API key {made.id}, shown only now:\n{made.api_key}",
        api_key_id=made.id,
        api_key=made.api_key,
    )
    return 0


def _revoke_api_key(arguments: argparse.Namespace) -> int:
    with services(start()) as opened:
        tenant_id = read(opened.db, platform(), api_keys.get_tenant_of_api_key, arguments.id)
        run(opened.db, inside(tenant_id), api_keys.revoke_api_key, arguments.id)
    answer(arguments, "Revoked.", api_key_id=arguments.id, status="revoked")
    return 0


def _password_from_stdin() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandFailed("no password on standard input")
    return password
