"""How long sessions last, and what ends them."""

from __future__ import annotations

import secrets
from dataclasses import replace

from agentguard.accounts.roles import Role
from agentguard.accounts.sessions import (
    CLOCK_SKEW,
    Session,
    SessionRules,
    csrf_token,
    new_session_token,
    session_hash,
)
from agentguard.accounts.users import User
from agentguard.kernel.clock import NS_PER_HOUR

NOW = 1_800_000_000_000_000_000
RULES = SessionRules(idle_hours=2, absolute_hours=5)
USER = User("u", "ada", Role.VIEWER, NOW, "t")
SESSION = Session("h", "u", 0, NOW, NOW)


def test_a_session_ends_without_requests_and_in_any_case():
    assert SESSION.is_valid(USER, NOW + 2 * NS_PER_HOUR - 1, RULES)
    assert not SESSION.is_valid(USER, NOW + 2 * NS_PER_HOUR, RULES)

    used = replace(SESSION, seen_at=NOW + 4 * NS_PER_HOUR)
    assert used.is_valid(USER, NOW + 5 * NS_PER_HOUR - 1, RULES)
    assert not used.is_valid(USER, NOW + 5 * NS_PER_HOUR, RULES)


def test_signing_out_everywhere_and_another_password_end_sessions():
    assert not SESSION.is_valid(USER.signed_out(), NOW, RULES)
    assert not SESSION.is_valid(USER.with_password("x"), NOW, RULES)
    assert SESSION.is_valid(USER.with_role(Role.ADMIN), NOW, RULES)
    assert not SESSION.is_valid(replace(USER, id="other"), NOW, RULES)


def test_a_session_from_before_the_clock_was_set_back_is_void():
    assert SESSION.is_valid(USER, NOW - CLOCK_SKEW, RULES)
    assert not SESSION.is_valid(USER, NOW - CLOCK_SKEW - 1, RULES)


def test_tokens_are_random_and_nothing_stored_or_shown_tells_them():
    token = new_session_token(secrets.token_bytes)

    assert len(token) == 43
    assert token != new_session_token(secrets.token_bytes)
    assert len({token, session_hash(token), csrf_token(token)}) == 3
    assert csrf_token(token) == csrf_token(token)
