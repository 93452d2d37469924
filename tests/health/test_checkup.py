"""Asking parts: bounded, side by side, shared, and without a word of what the error said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agentguard.health import (
    Checkup,
    Condition,
    HealthCheck,
    Status,
    StillStartingError,
    TaskFailedError,
    worst,
)
from tests.web.serving import until

pytestmark = pytest.mark.anyio

PATIENCE = 0.05


async def fine() -> None:
    pass


async def hanging() -> None:
    await asyncio.Event().wait()


def part(name: str, ask=fine) -> HealthCheck:
    return HealthCheck(name, ask, f"Start {name} again.")


def failing_with(error: Exception):
    async def ask() -> None:
        raise error

    return ask


async def conditions(*parts: HealthCheck) -> Mapping[str, Condition]:
    return await Checkup(parts, patience_seconds=PATIENCE).conditions()


async def test_a_part_that_hangs_neither_hangs_nor_hides_the_others():
    found = await conditions(
        part("one", hanging),
        part("two"),
        part("three", hanging),
        part("four", failing_with(OSError())),
    )

    assert [condition.status for condition in found.values()] == [
        Status.DOWN,
        Status.UP,
        Status.DOWN,
        Status.DOWN,
    ]
    assert found["one"].error == "TimeoutError. Start one again."
    assert found["one"].seconds == PATIENCE
    assert found["four"].error == "OSError. Start four again."


async def test_a_part_that_cannot_be_cancelled_is_not_asked_twice_at_a_time_and_recovers():
    asked, end = 0, asyncio.Event()

    async def stubborn() -> None:
        nonlocal asked
        asked += 1
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    checkup = Checkup((part("one", stubborn),), patience_seconds=PATIENCE, fresh_seconds=0)
    assert [(await checkup.conditions())["one"].status for _ in range(3)] == [Status.DOWN] * 3
    assert asked == 1
    end.set()

    async def up() -> bool:
        return (await checkup.conditions())["one"].status is Status.UP

    await until(up)
    assert asked <= 2


async def test_who_asks_at_one_moment_shares_the_answer_and_a_second_later_it_is_asked_anew():
    asked, now = 0, [0.0]

    async def count() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)

    checkup = Checkup((part("one", count),), clock=lambda: now[0])
    together = await asyncio.gather(*[checkup.conditions() for _ in range(100)])
    now[0] = 0.99
    await checkup.conditions()
    assert asked == 1
    assert all(answer is together[0] for answer in together)

    now[0] = 1.0
    await checkup.conditions()
    assert asked == 2


async def test_who_goes_away_while_asking_leaves_the_next_an_answer():
    started, end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        started.set()
        await end.wait()

    checkup = Checkup((part("one", slow),), patience_seconds=60)
    first = asyncio.create_task(checkup.conditions())
    await started.wait()
    first.cancel()
    end.set()

    assert (await checkup.conditions())["one"].status is Status.UP


async def test_a_part_that_starts_is_neither_up_nor_down():
    found = await conditions(
        part("one", failing_with(StillStartingError("It is starting."))), part("two")
    )

    assert (found["one"].status, found["one"].detail, found["one"].error) == (
        Status.STARTING,
        "It is starting.",
        None,
    )
    assert worst(found) is Status.STARTING


async def test_a_round_that_failed_is_told_by_what_it_failed_with():
    found = await conditions(part("one", failing_with(TaskFailedError("PermissionError"))))

    assert found["one"].error == "PermissionError. Start one again."


@pytest.mark.parametrize(
    ("statuses", "together"),
    [
        ([], Status.UP),
        ([Status.UP, Status.STARTING], Status.STARTING),
        ([Status.STARTING, Status.DOWN, Status.UP], Status.DOWN),
    ],
)
def test_together_they_are_as_the_worst(statuses, together):
    assert worst({str(n): Condition(status, 0) for n, status in enumerate(statuses)}) is together


@given(
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=4).map(
        lambda text: f"zq9{text}"
    )
)
def test_what_the_error_said_is_in_no_answer_and_its_password_in_no_log(secret):
    error = ConnectionError(f"cannot reach amqp://agentguard:{secret}@host:5672//")
    structlog.reset_defaults()

    with capture_logs() as logs:
        found = asyncio.run(conditions(part("one", failing_with(error))))

    assert "ConnectionError" in json.dumps(asdict(found["one"]))
    assert secret not in json.dumps(asdict(found["one"]))
    assert "cannot reach amqp://…@host" in logs[0]["reason"]
    assert secret not in json.dumps(logs)


async def test_each_change_is_logged_once():
    error: list[Exception] = []

    async def ask() -> None:
        if error:
            raise error[0]

    checkup = Checkup((part("one", ask),), fresh_seconds=0)
    structlog.reset_defaults()
    with capture_logs() as logs:
        for state in ([], [OSError()], [ValueError()], [], []):
            error[:] = state
            await checkup.conditions()

    assert [(each["event"], each.get("error")) for each in logs] == [
        ("part_down", "OSError"),
        ("part_up", None),
    ]
