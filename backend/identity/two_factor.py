"""Two-factor sign-in: codes of an authenticator (TOTP, RFC 6238), and recovery codes.

The secret is kept encrypted, recovery codes as SHA-256 (80 random bits: nothing slower is
needed). A code is taken once: the step it belongs to is kept, and only a later one counts.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import pyotp
import sqlalchemy as sa
from pydantic import SecretStr

from backend.db.statements import PlatformStatement
from backend.errors import StateConflict
from backend.identity.account_models import RECOVERY_CODES, TWO_FACTORS
from backend.identity.sealing import TWO_FACTOR, Box
from backend.unit_of_work import Reader, UnitOfWork

ISSUER = "BillerJacket"
STEP_SECONDS = 30
# A phone's clock may be one step ahead or behind.
STEPS_ASIDE = (0, -1, 1)
CODES_COUNT = 10
# Without letters and figures that look alike.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CODE_LENGTH = 16
_GROUP = 4
_DIGITS = re.compile(r"[0-9]{6}", re.ASCII)

_T, _R = TWO_FACTORS.c, RECOVERY_CODES.c
_GET = PlatformStatement(
    sa.select(_T.sealed_secret, _T.last_step, _T.created_at, _T.confirmed_at).where(
        _T.user_id == sa.bindparam("of_user")
    )
)
_INSERT = PlatformStatement(sa.insert(TWO_FACTORS))
_DELETE = PlatformStatement(sa.delete(TWO_FACTORS).where(_T.user_id == sa.bindparam("of_user")))
# Two requests with the same code: the database lets one of them be the first.
_TAKE_STEP = PlatformStatement(
    sa.update(TWO_FACTORS)
    .where(_T.user_id == sa.bindparam("of_user"), _T.last_step < sa.bindparam("step"))
    .values(last_step=sa.bindparam("step"))
)
_CONFIRM = PlatformStatement(
    sa.update(TWO_FACTORS)
    .where(_T.user_id == sa.bindparam("of_user"), _T.confirmed_at.is_(None))
    .values(confirmed_at=sa.bindparam("now"))
)
_ADD_CODE = PlatformStatement(sa.insert(RECOVERY_CODES))
_TAKE_RECOVERY = PlatformStatement(
    sa.update(RECOVERY_CODES)
    .where(
        _R.user_id == sa.bindparam("of_user"),
        _R.digest == sa.bindparam("code_digest"),
        _R.used_at.is_(None),
    )
    .values(used_at=sa.bindparam("now"))
)
_DELETE_CODES = PlatformStatement(
    sa.delete(RECOVERY_CODES).where(_R.user_id == sa.bindparam("of_user"))
)
_CODES_LEFT = PlatformStatement(
    sa.select(sa.func.count())
    .select_from(RECOVERY_CODES)
    .where(_R.user_id == sa.bindparam("of_user"), _R.used_at.is_(None))
)


class CodeKind(StrEnum):
    """Where a code came from."""

    AUTHENTICATOR = "authenticator"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class TwoFactorView:
    """What a person sees of its own two-factor sign-in."""

    is_on: bool
    since: datetime | None
    codes_left: int


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator is given: the secret in base32, and the same as an otpauth address."""

    secret: str
    uri: str


def is_on(reader: Reader, user_id: UUID) -> bool:
    """Whether this user signs in with a code."""
    row = reader.first(_GET, of_user=user_id)
    return row is not None and row.confirmed_at is not None


def get_two_factor(reader: Reader, user_id: UUID) -> TwoFactorView:
    """How the user's two-factor sign-in stands."""
    row = reader.first(_GET, of_user=user_id)
    since = row.confirmed_at if row is not None else None
    return TwoFactorView(since is not None, since, reader.scalar(_CODES_LEFT, of_user=user_id))


def begin(work: UnitOfWork, user_id: UUID, *, secret_key: SecretStr) -> None:
    """Make a new secret, which counts once a code of it is confirmed. Raises StateConflict."""
    if is_on(work, user_id):
        raise StateConflict("Two-factor sign-in is on already.", code="two_factor_on")
    work.execute(_DELETE, of_user=user_id)
    sealed = Box(secret_key, TWO_FACTOR).seal(pyotp.random_base32(), bound_to=user_id.bytes)
    work.execute(
        _INSERT,
        user_id=user_id,
        sealed_secret=sealed,
        last_step=0,
        created_at=work.now,
        confirmed_at=None,
    )


def read_enrolment(
    reader: Reader, user_id: UUID, email: str, *, secret_key: SecretStr
) -> Enrolment:
    """What to scan while the first code is waited for. Raises StateConflict at any other time."""
    row = reader.first(_GET, of_user=user_id)
    if row is None or row.confirmed_at is not None:
        raise StateConflict("Two-factor sign-in is not being set up.", code="not_enrolling")
    secret = Box(secret_key, TWO_FACTOR).open(row.sealed_secret, bound_to=user_id.bytes)
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    return Enrolment(secret, uri)


def confirm(work: UnitOfWork, user_id: UUID, code: str, *, secret_key: SecretStr) -> bool:
    """Take the first code: from now on codes are asked for. False when it is wrong."""
    row = work.first(_GET, of_user=user_id)
    if row is None or row.confirmed_at is not None:
        raise StateConflict("Two-factor sign-in is not being set up.", code="not_enrolling")
    if not _take_totp(work, user_id, row.sealed_secret, code, secret_key):
        return False
    work.execute(_CONFIRM, of_user=user_id, now=work.now)
    return True


def take_code(
    work: UnitOfWork, user_id: UUID, code: str, *, secret_key: SecretStr
) -> CodeKind | None:
    """Use up a code of the authenticator or a recovery code; None when it is neither.

    The caller has counted the attempt (`throttle.count_code`).
    """
    row = work.first(_GET, of_user=user_id)
    if row is None or row.confirmed_at is None:
        return None
    if _take_totp(work, user_id, row.sealed_secret, code, secret_key):
        return CodeKind.AUTHENTICATOR
    plain = _plain(code)
    if len(plain) == _CODE_LENGTH and work.execute(
        _TAKE_RECOVERY, of_user=user_id, code_digest=_digest(plain), now=work.now
    ):
        return CodeKind.RECOVERY
    return None


def renew_recovery_codes(work: UnitOfWork, user_id: UUID) -> list[str]:
    """Ten new recovery codes in place of all there were; shown now and never again."""
    work.execute(_DELETE_CODES, of_user=user_id)
    plain = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)) for _ in range(CODES_COUNT)
    ]
    work.execute_many(
        _ADD_CODE,
        [
            {"user_id": user_id, "digest": _digest(code), "created_at": work.now, "used_at": None}
            for code in plain
        ],
    )
    return [
        "-".join(code[at : at + _GROUP] for at in range(0, _CODE_LENGTH, _GROUP)) for code in plain
    ]


def remove(work: UnitOfWork, user_id: UUID) -> bool:
    """Forget the authenticator and the recovery codes; whether two-factor was on."""
    was_on = is_on(work, user_id)
    work.execute(_DELETE, of_user=user_id)
    work.execute(_DELETE_CODES, of_user=user_id)
    return was_on


def _take_totp(
    work: UnitOfWork, user_id: UUID, sealed: str, code: str, secret_key: SecretStr
) -> bool:
    digits = code.replace(" ", "")
    if not _DIGITS.fullmatch(digits):
        return False
    totp = pyotp.TOTP(Box(secret_key, TWO_FACTOR).open(sealed, bound_to=user_id.bytes))
    now = int(work.now.timestamp()) // STEP_SECONDS
    matching = [
        now + aside
        for aside in STEPS_ASIDE
        if hmac.compare_digest(totp.generate_otp(now + aside), digits)
    ]
    return any(work.execute(_TAKE_STEP, of_user=user_id, step=step) for step in matching)


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code).upper()


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
