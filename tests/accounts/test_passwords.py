"""Passwords: argon2id, in one form, equally slow for users and strangers."""

from __future__ import annotations

import statistics
import time

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from agentguard.accounts.errors import InvalidAccountError
from agentguard.accounts.passwords import LONGEST, SHORTEST, Passwords
from tests.accounts.quick import QUICK

PASSWORD = "correct horse battery staple"


def test_hashes_are_argon2id_with_the_parameters_of_the_rfc():
    """RFC 9106 §4, second recommended option: 3 passes, 64 MiB, 4 lanes."""
    found = extract_parameters(Passwords().hash(PASSWORD))

    assert (found.type, found.time_cost, found.memory_cost, found.parallelism) == (
        Type.ID,
        3,
        64 * 1024,
        4,
    )


def test_the_right_password_matches_and_no_other():
    passwords = Passwords(QUICK)
    hashed = passwords.hash(PASSWORD)

    assert hashed != passwords.hash(PASSWORD)
    assert passwords.check(PASSWORD, hashed) is not None
    assert passwords.check(PASSWORD + "x", hashed) is None
    assert passwords.check(PASSWORD, None) is None
    assert passwords.check("", "no hash") is None
    assert passwords.check("\ud800", hashed) is None


def test_one_text_in_two_unicode_forms_is_one_password():
    passwords = Passwords(QUICK)

    assert passwords.check("e\u0301" * SHORTEST, passwords.hash("é" * SHORTEST)) is not None


def test_a_hash_with_other_parameters_is_renewed():
    old = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)).hash(PASSWORD)

    match = Passwords(QUICK).check(PASSWORD, old)

    assert match is not None
    assert match.better_hash is not None
    assert Passwords(QUICK).check(PASSWORD, match.better_hash).better_hash is None


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_short_and_huge_passwords_are_refused(length: int):
    with pytest.raises(InvalidAccountError):
        Passwords(QUICK).hash("x" * length)


def test_a_strangers_password_takes_as_long_as_a_users():
    """Medians of interleaved runs; without the hash of nobody a stranger's takes about 0."""
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=4096, parallelism=1))
    hashed, _ = passwords.hash(PASSWORD), passwords.nobodys_hash
    took: dict[str | None, list[float]] = {hashed: [], None: []}
    for _ in range(25):
        for known, seconds in took.items():
            began = time.perf_counter()
            passwords.check("a wrong password", known)
            seconds.append(time.perf_counter() - began)

    user, stranger = statistics.median(took[hashed]), statistics.median(took[None])
    assert 1 / 3 < user / stranger < 3
