"""Secrets of endpoints: encrypted for one endpoint, with a key of their own."""

from __future__ import annotations

import re

import pytest

from backend.ids import new_id
from backend.webhooks.providers import PROVIDERS
from backend.webhooks.secrets import (
    SecretBox,
    SecretUnreadable,
    bytes_in,
    new_secret,
    new_token,
    token_digest,
)

TENANT, ENDPOINT = new_id(), new_id()
BOX = SecretBox("k" * 32)


def seal(secret: str) -> str:
    return BOX.seal(secret, tenant_id=TENANT, endpoint_id=ENDPOINT)


def test_a_secret_comes_back_as_it_was():
    for secret in ("whsec_x", "ü" * 100, new_secret()):
        kept = seal(secret)
        assert secret not in kept
        assert SecretBox("k" * 32).open(kept, tenant_id=TENANT, endpoint_id=ENDPOINT) == secret


def test_the_same_secret_is_kept_differently_each_time():
    assert seal("whsec_x") != seal("whsec_x")


def test_the_longest_secret_fits_its_column():
    assert len(seal("x" * 500)) <= 1000


def test_another_key_another_endpoint_or_another_text_cannot_be_read():
    kept = seal("whsec_x")
    with pytest.raises(SecretUnreadable):
        SecretBox("l" * 32).open(kept, tenant_id=TENANT, endpoint_id=ENDPOINT)
    with pytest.raises(SecretUnreadable):
        BOX.open(kept, tenant_id=new_id(), endpoint_id=ENDPOINT)
    with pytest.raises(SecretUnreadable):
        BOX.open(kept, tenant_id=TENANT, endpoint_id=new_id())
    for other in ("", "v1.", "v1.!!!!", kept[:-8] + "AAAAAAA=", "v1.AAAA"):
        with pytest.raises(SecretUnreadable) as unreadable:
            BOX.open(other, tenant_id=TENANT, endpoint_id=ENDPOINT)
        assert "whsec" not in str(unreadable.value)


def test_secrets_and_tokens_are_made_up_anew_and_long_enough():
    assert len({new_secret() for _ in range(100)}) == 100
    assert bytes_in(new_secret()) == 32
    for provider in PROVIDERS.values():
        provider.check_secret(new_secret())
    assert len({new_token() for _ in range(100)}) == 100
    assert re.fullmatch(r"[A-Za-z0-9]{43}", new_token())


def test_a_token_of_any_text_has_a_digest():
    assert len({token_digest(text) for text in ("", "a", "é", "\udcff", "x" * 100_000)}) == 5
