"""Every error as `application/problem+json` (RFC 9457): one table, one place.

The services raise errors with a stable code and typed facts; here each class gets its HTTP status.
What only HTTP knows (unknown path, method, media type, size) is defined here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from backend.api.replies import Headers, Reply
from backend.errors import (
    BillerJacketError,
    Busy,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidInput,
    MalformedHeader,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Refused,
    RuleRefused,
    StateConflict,
    TooManyRequests,
)

PROBLEM_JSON = b"application/problem+json"
TYPE_PREFIX = "urn:billerjacket:problem:"


class PathNotFound(BillerJacketError):
    """No endpoint has this path."""

    default_code = "path_not_found"


class MethodNotAllowed(BillerJacketError):
    """The path is there, but not for this method; `allowed` says for which."""

    default_code = "method_not_allowed"

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(f"{method} is not possible here, only {', '.join(allowed)}.")
        self.allowed = allowed


class BodyTooLarge(BillerJacketError):
    """The body has more bytes than we read."""

    default_code = "body_too_large"


class UnsupportedMediaType(BillerJacketError):
    """The body is not JSON."""

    default_code = "unsupported_media_type"


class NotReady(BillerJacketError):
    """Something this process needs is not there; `checks` says what."""

    default_code = "not_ready"
    retry_after_seconds = 1


class Unexpected(BillerJacketError):
    """A bug, or something nobody thought of. The log has the traceback, the answer does not."""

    default_code = "internal_error"


STATUS_OF: dict[type[BillerJacketError], int] = {
    InvalidInput: 422,
    MalformedHeader: 400,
    IdempotencyKeyMissing: 400,
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    Refused: 422,
    StateConflict: 409,
    RuleRefused: 422,
    IdempotencyKeyReused: 422,
    TooManyRequests: 429,
    Busy: 503,
    PathNotFound: 404,
    MethodNotAllowed: 405,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    NotReady: 503,
    Unexpected: 500,
}
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
# Part of every problem, so no error's facts may take these names.
_OWN_MEMBERS = frozenset(
    {"type", "title", "status", "detail", "instance", "code", "correlation_id", "errors"}
)


_PATH_SAFE = "/:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as HTTP tells it; `headers` are those its status asks for."""

    status: int
    body: bytes
    headers: Headers = ()

    def reply(self) -> Reply:
        """The answer that tells it."""
        return Reply(self.status, self.body, PROBLEM_JSON, self.headers)


def status_of(error: BillerJacketError) -> int:
    """The HTTP status of an error: its own class's, else the nearest base's."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    return STATUS_OF[Unexpected]


def problem_of(error: BillerJacketError, *, instance: str, correlation_id: str) -> Problem:
    """The problem document of an error, for the path `instance`."""
    status = status_of(error)
    members: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": TITLES[status],
        "status": status,
        "detail": error.detail,
        "instance": quote(instance, safe=_PATH_SAFE, errors="replace"),
        "code": error.code,
        "correlation_id": correlation_id,
    }
    if isinstance(error, InvalidInput):
        members["errors"] = [{"field": one.field, "message": one.message} for one in error.errors]
    members |= {name: value for name, value in error.facts.items() if name not in _OWN_MEMBERS}
    return Problem(status, orjson.dumps(members, default=str), _headers_of(error))


def _headers_of(error: BillerJacketError) -> Headers:
    match error:
        case NotSignedIn():
            return ((b"www-authenticate", b'ApiKey realm="BillerJacket"'),)
        case MethodNotAllowed():
            return ((b"allow", ", ".join(error.allowed).encode()),)
        case TooManyRequests() | Busy() | NotReady():
            return ((b"retry-after", str(error.retry_after_seconds).encode()),)
    return ()
