"""Encryption at rest of the secrets of authenticators, and of what a browser keeps for us.

The keys are derived from the setting SECRET_KEY (HKDF-SHA256), one for each purpose. AES-GCM binds
each text to what it belongs to: moved to another user's row it cannot be read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

TWO_FACTOR = b"billerjacket two-factor secrets"
ENTRA_FLOW = b"billerjacket sign-in through microsoft"
_RESET = b"billerjacket password resets"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = "v1."


class Unreadable(Exception):
    """A sealed text cannot be read: another SECRET_KEY, another owner, or it was changed."""


class Box:
    """Seals and opens texts for one purpose. Thread-safe."""

    def __init__(self, secret_key: SecretStr, purpose: bytes) -> None:
        self._cipher = AESGCM(_derived(secret_key, purpose))

    def seal(self, text: str, *, bound_to: bytes) -> str:
        """The text as it is kept, in characters that a cookie takes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), bound_to)
        return _FORM + base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, kept: str, *, bound_to: bytes) -> str:
        """The text itself. Raises Unreadable."""
        try:
            content = kept.removeprefix(_FORM)
            raw = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound_to).decode()
        except (InvalidTag, ValueError) as error:
            raise Unreadable("a sealed text cannot be read") from error


def reset_signature(secret_key: SecretStr, content: bytes) -> bytes:
    """The part of a reset's token that nobody can guess: 256 bits over its id."""
    return hmac.digest(_derived(secret_key, _RESET), content, hashlib.sha256)


def _derived(secret_key: SecretStr, purpose: bytes) -> bytes:
    key = secret_key.get_secret_value().encode()
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose).derive(key)
