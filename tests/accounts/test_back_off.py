"""How long failed sign-ins make the next one wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.accounts.back_off import (
    ACCOUNT,
    ADDRESS,
    FORGET,
    Attempts,
    account_source,
    address_source,
)
from agentguard.kernel.clock import NS_PER_SECOND

NOW = 1_800_000_000_000_000_000


def after(failed: int) -> Attempts:
    attempts = Attempts()
    for _ in range(failed):
        attempts = attempts.one_more(NOW)
    return attempts


@pytest.mark.parametrize("limit", [ACCOUNT, ADDRESS])
def test_the_first_attempts_are_free_and_each_further_one_waits_twice_as_long(limit):
    waits = [after(n).seconds_to_wait(limit, NOW) for n in range(limit.free + 12)]

    assert waits[: limit.free] == [0] * limit.free
    assert waits[limit.free : limit.free + 4] == [1, 2, 4, 8]
    assert waits[-1] == limit.longest_seconds


@given(failed=st.integers(0, 10**6), passed=st.integers(-(10**12), 10**18))
def test_no_wait_is_longer_than_the_limit_or_negative(failed: int, passed: int):
    wait = Attempts(failed, NOW).seconds_to_wait(ACCOUNT, NOW + passed)

    assert 0 <= wait <= ACCOUNT.longest_seconds


def test_a_wait_ends_and_old_failures_do_not_count():
    attempts = after(ACCOUNT.free + 2)

    assert attempts.seconds_to_wait(ACCOUNT, NOW + 3 * NS_PER_SECOND) == 1
    assert attempts.seconds_to_wait(ACCOUNT, NOW + 4 * NS_PER_SECOND) == 0
    assert attempts.one_more(NOW + FORGET + 1).failed == 1
    assert attempts.one_less().failed == attempts.failed - 1


def test_names_count_without_case_and_unreadable():
    assert account_source("Ada") == account_source("ADA") != account_source("bob")
    assert "ada" not in account_source("ada").lower()
    assert account_source("\ud800").startswith("account:")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("unix", "unix", True),
        ("", "unix", False),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(one: str, other: str, same: bool):
    assert (address_source(one) == address_source(other)) is same
