"""A directory of our own in place of Microsoft Entra ID: a small issuer of OpenID Connect.

It serves what the app asks of the real one, over TLS on this machine: its configuration, its keys
and its token endpoint. `authorize` does what its sign-in page would, and hands the code back. It
checks our registration, redirect address and PKCE; a test may bend the id tokens it signs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CERTIFICATE = Path(__file__).parent / "data" / "localhost-certificate.pem"
KEY = Path(__file__).parent / "data" / "localhost-key.pem"
TENANT = "5f3a0c52-0000-4000-8000-00000000aaaa"
CLIENT = "5f3a0c52-0000-4000-8000-00000000bbbb"
SECRET = "the registration's secret"

Bend = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Directory:
    """The issuer; `claims` are of whoever signs in next, `bend` changes its id token."""

    authority: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    bend: Bend = lambda claims: claims
    signing_key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    published_key: rsa.RSAPrivateKey | None = None
    key_id: str = "first"
    is_away: bool = False
    requests: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an app whose people are here."""
        return {
            "BILLERJACKET_ENTRA_TENANT_ID": TENANT,
            "BILLERJACKET_ENTRA_CLIENT_ID": CLIENT,
            "BILLERJACKET_ENTRA_CLIENT_SECRET": SECRET,
            "BILLERJACKET_ENTRA_AUTHORITY": self.authority,
            "SSL_CERT_FILE": str(CERTIFICATE),
        }

    def authorize(self, address: str) -> dict[str, str]:
        """Sign in at this authorization address; what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def answer_to(self, method: str, path: str, body: str) -> tuple[int, Any]:
        """The status and the JSON for a request, or an address to go to."""
        self.requests.append(f"{method} {urlsplit(path).path}")
        if self.is_away:
            return 503, {}
        match urlsplit(path).path.removeprefix(f"/{TENANT}"):
            case "/v2.0/.well-known/openid-configuration":
                return 200, {
                    "issuer": f"{self.authority}/{TENANT}/v2.0",
                    "authorization_endpoint": f"{self.authority}/{TENANT}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{self.authority}/{TENANT}/oauth2/v2.0/token",
                    "jwks_uri": f"{self.authority}/{TENANT}/discovery/v2.0/keys",
                }
            case "/discovery/v2.0/keys":
                return 200, {"keys": [self._public_key()]}
            case "/oauth2/v2.0/authorize":
                asked = {name: v[0] for name, v in parse_qs(urlsplit(path).query).items()}
                back = self.authorize(path)
                return 302, f"{asked['redirect_uri']}?{urlencode(back)}"
            case "/oauth2/v2.0/token":
                return self._token({name: v[0] for name, v in parse_qs(body).items()})
        return 404, {}

    def _token(self, given: dict[str, str]) -> tuple[int, Any]:
        asked = self._codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or given.get("client_id") != CLIENT
            or given.get("client_secret") != SECRET
            or given.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": f"{self.authority}/{TENANT}/v2.0",
            "aud": CLIENT,
            "tid": TENANT,
            "iat": now,
            "exp": now + 3600,
            "nonce": asked["nonce"],
            "sub": "pairwise",
            **self.claims,
        }
        id_token = jwt.encode(
            self.bend(claims), self.signing_key, algorithm="RS256", headers={"kid": self.key_id}
        )
        return 200, {
            "token_type": "Bearer",
            "access_token": "for nobody",
            "expires_in": 3600,
            "id_token": id_token,
        }

    def _public_key(self) -> dict[str, Any]:
        key = (self.published_key or self.signing_key).public_key()
        shown: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key))
        return {**shown, "kid": self.key_id, "use": "sig"}


@contextmanager
def directory() -> Iterator[Directory]:
    """The issuer, served until the block ends."""
    made = Directory()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            self._answer(self.rfile.read(length).decode())

        def _answer(self, body: str) -> None:
            status, content = made.answer_to(self.command, self.path, body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", content)
                content = {}
            text = json.dumps(content).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.authority = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
