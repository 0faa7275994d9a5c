"""Secrets of webhook endpoints: made, digested, and encrypted at rest.

The key is derived from the setting SECRET_KEY (HKDF-SHA256), for this purpose alone. AES-GCM
binds each secret to its tenant and endpoint: moved to another row it cannot be read. Verifying a
signature needs the secret itself, so a digest would not do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import string
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN_LENGTH = 43  # 256 bits
TOKEN_HINT_LENGTH = 6
SECRET_PREFIX = "whsec_"  # noqa: S105 (the form's public beginning)
SECRET_BYTES = 32

_ALPHABET = string.ascii_letters + string.digits
_KEY_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"billerjacket webhook endpoint secrets"
_FORM = "v1."


class SecretUnreadable(Exception):
    """A kept secret cannot be decrypted: SECRET_KEY is another one than it was kept with."""


class SecretBox:
    """Encrypts and decrypts the secrets of endpoints. Thread-safe; one per process will do."""

    def __init__(self, secret_key: str) -> None:
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(secret_key.encode())
        self._cipher = AESGCM(derived)

    def seal(self, secret: str, *, tenant_id: UUID, endpoint_id: UUID) -> str:
        """The secret as it is kept."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), _bound_to(tenant_id, endpoint_id))
        return _FORM + base64.b64encode(nonce + sealed).decode()

    def open(self, kept: str, *, tenant_id: UUID, endpoint_id: UUID) -> str:
        """The secret itself. Raises SecretUnreadable."""
        try:
            raw = base64.b64decode(kept.removeprefix(_FORM), validate=True)
            bound = _bound_to(tenant_id, endpoint_id)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound).decode()
        except (InvalidTag, ValueError) as error:
            raise SecretUnreadable("the secret of a webhook endpoint cannot be read") from error


def _bound_to(tenant_id: UUID, endpoint_id: UUID) -> bytes:
    return tenant_id.bytes + endpoint_id.bytes


def new_token() -> str:
    """The unguessable part of an endpoint's address."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(TOKEN_LENGTH))


def token_digest(token: str) -> str:
    """What is kept of a token, and looked up by."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_secret() -> str:
    """A fresh secret in the form of the Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def bytes_in(secret: str) -> int | None:
    """How many bytes a secret in the form of the Standard Webhooks has; None when it has no such.

    The prefix may be left out, and the padding too.
    """
    text = secret.removeprefix(SECRET_PREFIX)
    try:
        return len(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (ValueError, binascii.Error):
        return None
