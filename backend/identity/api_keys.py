"""API keys of consuming apps: `bj_<prefix>_<secret>`, shown once, kept as prefix and SHA-256.

Authentication is on the path of every API call: one prepared statement joined to the tenant, so
that a revoked key or an inactive tenant is refused at once, and no password hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from backend.actor import Action, Actor, Role
from backend.checks import required_text
from backend.db.statements import TENANT, PlatformStatement, Statement
from backend.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from backend.identity.models import API_KEYS
from backend.ids import new_id
from backend.tenants.models import TENANTS, TenantStatus
from backend.unit_of_work import Reader, UnitOfWork

ROLES = (Role.ADMIN, Role.FINANCE, Role.SUPPORT)
# "Last used" is for people: to the minute is enough, and spares a write for each call.
USED_EVERY = timedelta(minutes=1)

_ALPHABET = string.ascii_letters + string.digits
_PREFIX_LENGTH = 12  # 71 bits: two keys never meet, and it is short enough to read out.
_SECRET_LENGTH = 43  # 256 bits.
_KEY = re.compile(r"bj_([A-Za-z0-9]{12})_[A-Za-z0-9]{43}", re.ASCII)
# With "api-key:" before it the name is who acted, of which the audit log keeps 200 characters.
_NAME_LENGTH_MAX = 100

_K = API_KEYS.c

_AUTHENTICATE = PlatformStatement(
    sa.select(
        _K.id,
        _K.tenant_id,
        _K.name,
        _K.role,
        _K.digest,
        _K.last_used_at,
        _K.revoked_at,
        TENANTS.c.status,
    )
    .join(TENANTS, TENANTS.c.id == _K.tenant_id)
    .where(_K.prefix == sa.bindparam("prefix"))
)
_USED = PlatformStatement(
    sa.update(API_KEYS)
    .where(
        _K.id == sa.bindparam("key_id"),
        sa.or_(_K.last_used_at.is_(None), _K.last_used_at <= sa.bindparam("before")),
    )
    .values(last_used_at=sa.bindparam("now"))
)
_INSERT = Statement(sa.insert(API_KEYS))
_REVOKE = Statement(
    sa.update(API_KEYS)
    .where(_K.tenant_id == TENANT, _K.id == sa.bindparam("key_id"), _K.revoked_at.is_(None))
    .values(revoked_at=sa.bindparam("now"))
)
_GET = Statement(
    sa.select(
        _K.id, _K.name, _K.role, _K.prefix, _K.created_at, _K.last_used_at, _K.revoked_at
    ).where(_K.tenant_id == TENANT, _K.id == sa.bindparam("key_id"))
)
_LIST = Statement(
    sa.select(_K.id, _K.name, _K.role, _K.prefix, _K.created_at, _K.last_used_at, _K.revoked_at)
    .where(_K.tenant_id == TENANT)
    .order_by(_K.row_id.desc())
)
_TENANT_OF = PlatformStatement(sa.select(_K.tenant_id).where(_K.id == sa.bindparam("key_id")))


@dataclass(frozen=True, slots=True)
class CreateApiKey:
    """A key for a consuming app, with the role its calls act in."""

    name: str
    role: Role = Role.ADMIN


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made; `api_key` is shown now and never again."""

    id: UUID
    api_key: str


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """A key as its owner sees it."""

    id: UUID
    name: str
    role: Role
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKeyIdentity:
    """A genuine key; whether it may act for a tenant is asked with `actor`."""

    id: UUID
    tenant_id: UUID
    name: str
    role: Role
    is_revoked: bool
    tenant_is_active: bool
    should_note: bool

    def actor(self, tenant_id: UUID, correlation_id: str) -> Actor:
        """The actor of a call for this tenant; NotAllowed when revoked, inactive or foreign."""
        if self.is_revoked:
            raise NotAllowed("This API key has been revoked.", code="api_key_revoked")
        if tenant_id != self.tenant_id:
            raise NotAllowed("This API key belongs to another tenant.", code="wrong_tenant")
        if not self.tenant_is_active:
            raise NotAllowed("This tenant is not active.", code="tenant_inactive")
        return Actor(tenant_id, self.role, f"api-key:{self.name}", correlation_id)


def authenticate_api_key(reader: Reader, presented: str | None) -> ApiKeyIdentity:
    """The key's identity; raises NotSignedIn when it is missing, malformed or unknown.

    `should_note` asks the caller to run `note_api_key_used` some time soon.
    """
    form = _KEY.fullmatch(presented) if presented else None
    row = reader.first(_AUTHENTICATE, prefix=form.group(1)) if form else None
    if presented is None or row is None or not hmac.compare_digest(_digest(presented), row.digest):
        raise NotSignedIn("The X-Api-Key header is missing or unknown.", code="unknown_api_key")
    used = row.last_used_at
    return ApiKeyIdentity(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        role=row.role,
        is_revoked=row.revoked_at is not None,
        tenant_is_active=row.status is TenantStatus.ACTIVE,
        should_note=used is None or used + USED_EVERY <= reader.now,
    )


def note_api_key_used(work: UnitOfWork, api_key_id: UUID) -> None:
    """Keep that the key was used now, at most once a minute."""
    work.execute(_USED, key_id=api_key_id, now=work.now, before=work.now - USED_EVERY)


def create_api_key(work: UnitOfWork, command: CreateApiKey) -> NewApiKey:
    """Make a key. Raises NotAllowed, InvalidInput, or NotFound when the tenant is unknown."""
    work.actor.require(Action.TENANT_ADMIN)
    name = required_text(command.name, field="name", max_length=_NAME_LENGTH_MAX)
    if command.role not in ROLES:
        raise InvalidInput.of("role", f"must be one of {', '.join(ROLES)}")
    assert work.tenant.id == work.tenant_id  # Refuses an unknown tenant before anything is made.
    prefix = _random(_PREFIX_LENGTH)
    api_key = f"bj_{prefix}_{_random(_SECRET_LENGTH)}"
    key_id = new_id()
    work.execute(
        _INSERT,
        id=key_id,
        name=name,
        role=command.role,
        prefix=prefix,
        digest=_digest(api_key),
        created_at=work.now,
        last_used_at=None,
        revoked_at=None,
    )
    work.record(
        "api_key.created",
        "api_key",
        key_id,
        after={"name": name, "role": command.role, "prefix": prefix},
    )
    return NewApiKey(key_id, api_key)


def revoke_api_key(work: UnitOfWork, api_key_id: UUID) -> None:
    """Refuse the key from now on. Revoking twice is no error; raises NotAllowed, NotFound."""
    work.actor.require(Action.TENANT_ADMIN)
    row = work.first(_GET, key_id=api_key_id)
    if row is None:
        raise NotFound("There is no such API key.", code="api_key_not_found")
    if work.execute(_REVOKE, key_id=api_key_id, now=work.now):
        work.record("api_key.revoked", "api_key", api_key_id, before={"name": row.name})


def list_api_keys(reader: Reader) -> list[ApiKeyRow]:
    """The tenant's keys, newest first, revoked ones too. Raises NotAllowed."""
    reader.actor.require(Action.TENANT_ADMIN)
    return [ApiKeyRow(**row._asdict()) for row in reader.rows(_LIST)]


def get_tenant_of_api_key(reader: Reader, api_key_id: UUID) -> UUID:
    """Whose key this is, for the platform's own tools. Raises NotAllowed, NotFound."""
    reader.actor.require(Action.PLATFORM_ADMIN)
    tenant_id: UUID | None = reader.scalar(_TENANT_OF, key_id=api_key_id)
    if tenant_id is None:
        raise NotFound("There is no such API key.", code="api_key_not_found")
    return tenant_id


def _digest(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
