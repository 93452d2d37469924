"""The form of API keys, and which are accepted when."""

from __future__ import annotations

import secrets
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.accounts.errors import InvalidAccountError, KeyRevokedError
from agentguard.accounts.keys import ApiKey, KeyState, Token, new_token, parse_token
from agentguard.accounts.names import LONGEST_NAME, clean_name
from agentguard.accounts.principal import Permission

NOW = 1_800_000_000_000_000_000
FIRST, SECOND = new_token(secrets.token_bytes), new_token(secrets.token_bytes)


def key(**changed) -> ApiKey:
    made = {"id": FIRST.key_id, "name": "k", "scopes": frozenset({Permission.READ})}
    return ApiKey(**{**made, "hash": FIRST.hash, "created_at": NOW, "created_by": "t", **changed})


@given(st.binary(min_size=38, max_size=38))
def test_every_token_is_read_as_it_was_written(random: bytes):
    drawn = [random[:32], random[32:]]

    token = new_token(lambda _count: drawn.pop(0))

    assert parse_token(token.text) == token
    assert len(token.text) == 59


@given(st.text(max_size=80))
def test_other_texts_are_no_tokens(text: str):
    assert parse_token(text) is None


@pytest.mark.parametrize(
    "damaged",
    [FIRST.text.upper(), FIRST.text[:-1], FIRST.text + "A", FIRST.text + "\n", " " + FIRST.text],
    ids=["upper case", "short", "long", "line", "space"],
)
def test_a_damaged_token_is_none(damaged: str):
    assert parse_token(damaged) is None


def test_only_the_hash_of_the_secret_is_kept_and_no_secret_is_shown():
    assert FIRST.secret not in repr(FIRST)
    assert FIRST.secret not in repr(key())
    assert key().hash == sha256(FIRST.secret.encode()).digest()


@pytest.mark.parametrize(
    ("changed", "at", "state"),
    [
        ({}, NOW, KeyState.ACTIVE),
        ({"expires_at": NOW + 1}, NOW, KeyState.ACTIVE),
        ({"expires_at": NOW + 1}, NOW + 1, KeyState.EXPIRED),
        ({"revoked_at": NOW}, NOW, KeyState.REVOKED),
        ({"revoked_at": NOW, "expires_at": NOW - 1}, NOW, KeyState.REVOKED),
    ],
)
def test_a_key_is_accepted_while_it_is_active(changed, at, state):
    assert key(**changed).state(at) is state
    assert key(**changed).accepts(FIRST, at) is (state is KeyState.ACTIVE)


def test_another_secret_is_not_accepted():
    assert not key().accepts(Token(FIRST.key_id, SECOND.secret), NOW)


def test_a_rotation_keeps_the_former_secret_for_the_overlap():
    rotated = key().rotated(Token(FIRST.key_id, SECOND.secret), NOW, NOW + 10)

    assert [rotated.accepts(SECOND, at) for at in (NOW, NOW + 10)] == [True, True]
    assert [rotated.accepts(FIRST, at) for at in (NOW + 9, NOW + 10)] == [True, False]
    assert not key().rotated(SECOND, NOW, NOW).accepts(FIRST, NOW)


def test_a_revoked_key_stays_revoked():
    revoked = key().rotated(SECOND, NOW, NOW + 10).revoked(NOW)

    assert not revoked.accepts(FIRST, NOW)
    assert not revoked.accepts(SECOND, NOW)
    assert revoked.revoked(NOW + 1) == revoked
    with pytest.raises(KeyRevokedError):
        revoked.rotated(SECOND, NOW, NOW)
    with pytest.raises(KeyRevokedError):
        revoked.expiring(None)


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * (LONGEST_NAME + 1), "a\0b", "a\nb", "a\u202eb", "\ud800", "a\u200bb"]
)
def test_names_are_short_and_visible(name: str):
    with pytest.raises(InvalidAccountError):
        clean_name(name, "key")


def test_a_name_has_one_form():
    assert clean_name(" e\u0301 ", "key") == clean_name("é", "key") == "é"
