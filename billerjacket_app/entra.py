"""Sign-in with Microsoft Entra ID: OpenID Connect with authorization code and PKCE.

MSAL speaks the protocol: it makes state, nonce and code verifier, checks the state and exchanges
the code. It does not verify id tokens, so that happens here with PyJWT: signature by the
directory's published keys, issuer, audience, time, nonce, and the directory's id. What a browser
carries between the two requests is sealed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import msal
import structlog
from msal.exceptions import MsalServiceError
from pydantic import SecretStr

from backend.config import EntraDirectory
from backend.errors import Busy, NotSignedIn
from backend.identity.entra_links import EntraPerson
from backend.identity.sealing import ENTRA_FLOW, Box, Unreadable

ANSWER_SECONDS_MAX = 10.0
# Between our clock and Microsoft's.
LEEWAY_SECONDS = 120
_ALGORITHMS = ["RS256"]
_SCOPES = ["User.Read"]
_REQUIRED = ["iss", "aud", "exp", "iat", "nonce", "tid", "oid"]

# Microsoft does not answer, or answers that it cannot.
_TROUBLE = (httpx.HTTPError, MsalServiceError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EntraFlow:
    """A way to Microsoft and back: where to send the browser, and what its cookie keeps."""

    address: str
    sealed: str


class EntraSignIn:
    """One directory. Thread-safe; one per process will do. Opens connections at first use."""

    def __init__(
        self, directory: EntraDirectory, secret_key: SecretStr, *, redirect_uri: str
    ) -> None:
        self._directory = directory
        self._redirect_uri = redirect_uri
        self._box = Box(secret_key, ENTRA_FLOW)
        self._http = httpx.Client(timeout=ANSWER_SECONDS_MAX)
        self._lock = threading.Lock()
        self._client: Any = None
        self._keys: jwt.PyJWKSet | None = None

    def begin(self, token: str) -> EntraFlow:
        """Where to send a browser; what its cookie keeps is bound to the token. Raises Busy."""
        try:
            flow = self._msal().initiate_auth_code_flow(_SCOPES, redirect_uri=self._redirect_uri)
        except (*_TROUBLE, ValueError) as error:
            raise _away(error) from error
        sealed = self._box.seal(json.dumps(flow), bound_to=token.encode())
        return EntraFlow(flow["auth_uri"], sealed)

    def finish(self, token: str, sealed: str, answer: Mapping[str, str]) -> EntraPerson:
        """Whom the browser comes back as. Raises NotSignedIn, or Busy when Microsoft is away."""
        try:
            flow = json.loads(self._box.open(sealed, bound_to=token.encode()))
        except Unreadable as error:
            raise _refused("unreadable flow") from error
        # Compared here too, in constant time, before anything leaves the house.
        if not hmac.compare_digest(str(flow["state"]), answer.get("state", "")):
            raise _refused("another state")
        try:
            result = self._msal().acquire_token_by_auth_code_flow(flow, dict(answer))
        except _TROUBLE as error:
            raise _away(error) from error
        except (ValueError, RuntimeError) as error:
            # MSAL's text quotes the tokens' contents: none of it is written down.
            raise _refused(f"the answer is not for this request ({type(error).__name__})") from None
        if "id_token" not in result:
            raise _refused(str(result.get("error", "no id token"))[:100])
        return self._person_in(str(result["id_token"]), flow["nonce"])

    def _person_in(self, id_token: str, nonce: str) -> EntraPerson:
        try:
            claims = jwt.decode(
                id_token,
                self._key_of(id_token),
                algorithms=_ALGORITHMS,
                audience=self._directory.client_id,
                issuer=self._directory.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as error:
            raise _refused(f"id token: {type(error).__name__}") from None
        # MSAL sends the SHA-256 of its nonce, and that comes back in the token.
        expected = hashlib.sha256(nonce.encode("ascii")).hexdigest()
        if not hmac.compare_digest(str(claims["nonce"]), expected):
            raise _refused("another nonce")
        if claims["tid"] != self._directory.tenant_id:
            raise _refused("another directory")
        return EntraPerson(claims["tid"], str(claims["oid"]), _vouched_emails(claims))

    def _key_of(self, id_token: str) -> Any:
        """The published key that an id token names; asked for again once when it is a new one."""
        key_id = jwt.get_unverified_header(id_token).get("kid")
        for is_fresh in (False, True):
            for key in self._published_keys(is_fresh=is_fresh).keys:
                if key.key_id == key_id:
                    return key
        raise jwt.InvalidKeyError("no such key")

    def _published_keys(self, *, is_fresh: bool) -> jwt.PyJWKSet:
        if self._keys is None or is_fresh:
            address = f"{self._directory.authority}/{self._directory.tenant_id}/discovery/v2.0/keys"
            try:
                found = self._http.get(address).raise_for_status().json()
            except (httpx.HTTPError, ValueError) as error:
                raise _away(error) from error
            self._keys = jwt.PyJWKSet.from_dict(found)
        return self._keys

    def _msal(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = msal.ConfidentialClientApplication(
                    self._directory.client_id,
                    client_credential=self._directory.client_secret.get_secret_value(),
                    authority=f"{self._directory.authority}/{self._directory.tenant_id}",
                    # The authority is a setting: nobody has to be asked whether it is genuine.
                    instance_discovery=False,
                    http_client=self._http,
                    token_cache=_NoCache(),
                )
            return self._client


class _NoCache(msal.TokenCache):
    """Keeps no tokens: who somebody is, is all that we ask for."""

    def add(self, event: Any, now: Any = None) -> None:
        """Forget it."""


def _vouched_emails(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The user principal name, whose domain the directory owns; the mail only when it is verified.

    The mail of a directory's user can be set to anything, and opens nothing by itself.
    """
    found = [claims.get("preferred_username")]
    if str(claims.get("xms_edov", "")).lower() in ("1", "true"):
        found.append(claims.get("email"))
    return tuple(str(email).strip().lower() for email in found if email and "@" in str(email))


def _refused(reason: str) -> NotSignedIn:
    log.warning("entra.refused", reason=reason)
    return NotSignedIn("The sign-in with Microsoft did not work. Please try again.", code="entra")


def _away(error: Exception) -> Busy:
    log.warning("entra.away", problem=type(error).__name__)
    return Busy("Microsoft cannot be reached just now. Please try again in a moment.")
