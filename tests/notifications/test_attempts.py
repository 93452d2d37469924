"""When notifications are tried again, and when they are given up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.notifications.attempts import Patience, after, is_early, pause_seconds
from agentguard.notifications.model import Accepted, Failed
from agentguard.notifications.names import DeliveryState
from tests.notifications.examples import waiting

HOUR = Patience(1)


def test_what_is_accepted_is_delivered():
    first = waiting()
    done = after(first, Accepted(), HOUR, now=first.due_at + 5, jitter=0)

    assert (done.state, done.attempts, done.ended_at, done.reason) == (
        DeliveryState.DELIVERED,
        1,
        first.due_at + 5,
        None,
    )


def test_a_final_failure_gives_up_at_once():
    done = after(waiting(), Failed("status 410", permanent=True), HOUR, now=10, jitter=0)

    assert (done.state, done.attempts, done.reason) == (DeliveryState.GIVEN_UP, 1, "status 410")


def test_pauses_double_up_to_an_hour():
    assert [pause_seconds(n, 0) for n in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert pause_seconds(11, 0) == pause_seconds(10_000, 0) == 3600


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_chance_shortens_a_pause_by_half_at_most(attempts, jitter):
    whole = pause_seconds(attempts, 0)

    assert whole / 2 <= pause_seconds(attempts, jitter) <= whole


def test_a_receiver_is_left_alone_as_long_as_it_asks():
    first = waiting()
    failed = Failed("status 429", retry_after_seconds=1800)
    next_ = after(first, failed, HOUR, now=first.due_at, jitter=0)

    assert next_.due_at == first.due_at + 1800 * NS_PER_SECOND
    assert (next_.state, next_.reason) == (DeliveryState.WAITING, "status 429")


def test_a_clock_that_was_set_back_delays_nothing_for_long():
    found = waiting()

    assert is_early(found, HOUR, now=found.due_at - 1)
    assert not is_early(found, HOUR, now=found.due_at)
    assert not is_early(found, HOUR, now=found.due_at - HOUR.ns - 1)


def test_whoever_asks_for_more_than_the_limit_is_given_up():
    first = waiting()
    failed = Failed("status 429", retry_after_seconds=3601)
    done = after(first, failed, HOUR, now=first.due_at, jitter=0)

    assert done.state is DeliveryState.GIVEN_UP
    assert done.reason == "status 429; not delivered within 1 h"


@given(st.floats(0.01, 200), st.floats(0, 1, exclude_max=True))
def test_every_notification_ends_in_bounded_time_and_attempts(hours, jitter):
    found, patience = waiting(), Patience(hours)
    now = found.due_at
    while found.state is DeliveryState.WAITING:
        assert now <= found.message.at + hours * NS_PER_HOUR
        found = after(found, Failed("down"), patience, now=now, jitter=jitter)
        now = found.due_at

    assert found.attempts <= 20 + 2 * hours
    assert found.reason is not None
    assert found.reason.startswith("down")
