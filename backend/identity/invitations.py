"""Invitations: a signed link with which a new teammate chooses a password, once.

Nothing is stored for it: the link names the user and the day it ends, signed together with the
user's present password hash. Accepting changes that hash, and with it every link made before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import SecretStr

LIFETIME = timedelta(days=7)
_FIELDS = struct.Struct(">16sQ")
_SIGNATURE_BYTES = 32


def make_invitation(
    secret_key: SecretStr, user_id: UUID, password_hash: str, *, now: datetime
) -> str:
    """The token for the link; valid for seven days from `now`."""
    ends = int((now + LIFETIME).timestamp())
    content = _FIELDS.pack(user_id.bytes, ends)
    signed = content + _signature(secret_key, content, password_hash)
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def read_user_of(token: str) -> UUID | None:
    """Whom a token names, not yet believed; None when it is no token at all."""
    parts = _parts(token)
    return parts[0] if parts else None


def is_valid_invitation(
    secret_key: SecretStr, token: str, password_hash: str, *, now: datetime
) -> bool:
    """Whether we made this token for the user who still has this hash, and it has not ended."""
    parts = _parts(token)
    if parts is None:
        return False
    _, ends, content, signature = parts
    genuine = hmac.compare_digest(signature, _signature(secret_key, content, password_hash))
    return genuine and now < ends


def _parts(token: str) -> tuple[UUID, datetime, bytes, bytes] | None:
    try:
        signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    if len(signed) != _FIELDS.size + _SIGNATURE_BYTES:
        return None
    content, signature = signed[: _FIELDS.size], signed[_FIELDS.size :]
    user, ends = _FIELDS.unpack(content)
    try:
        return UUID(bytes=user), datetime.fromtimestamp(ends, UTC), content, signature
    except (OverflowError, ValueError, OSError):
        return None


def _signature(secret_key: SecretStr, content: bytes, password_hash: str) -> bytes:
    # The label keeps a signature made for one purpose from being used for another.
    message = b"invitation\x00" + content + password_hash.encode()
    return hmac.digest(secret_key.get_secret_value().encode(), message, hashlib.sha256)
