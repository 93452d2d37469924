"""Expiry does not follow a clock that jumps ahead."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.bootstrap.opening import open_app
from agentguard.kernel.clock import NS_PER_HOUR, NS_PER_SECOND
from agentguard.retention.expiry_clock import CONFIRMED, TOLERATED, ExpiryClock, expiry_time
from agentguard.settings import Settings
from tests.acting import TESTER
from tests.conformance.graphs import RUNS, version
from tests.databases import KINDS, empty_database

pytestmark = pytest.mark.anyio

NOW = 20_000 * 24 * NS_PER_HOUR
MINUTE = 60 * NS_PER_SECOND
JUMP = 400 * 24 * NS_PER_HOUR


def after(seen: ExpiryClock, *moments: int) -> ExpiryClock:
    for moment in moments:
        seen = seen.observe(moment)
    return seen


@given(steps=st.lists(st.integers(0, TOLERATED), max_size=50))
def test_a_clock_that_goes_on_is_trusted(steps: list[int]):
    seen, now = ExpiryClock(NOW), NOW
    for step in steps:
        now += step
        seen = seen.observe(now)
        assert seen == ExpiryClock(now)


@given(jump=st.integers(TOLERATED + 1, 10 * JUMP), minutes=st.integers(0, 24 * 60 - 1))
def test_a_clock_that_jumped_is_not_trusted_for_a_day(jump: int, minutes: int):
    ahead = [NOW + jump + n * MINUTE for n in range(minutes + 1)]

    assert after(ExpiryClock(NOW), *ahead) == ExpiryClock(NOW, NOW + jump)
    assert after(ExpiryClock(NOW), *ahead, NOW + jump + CONFIRMED).trusted > NOW


def test_after_its_correction_the_clock_is_trusted_again():
    assert after(ExpiryClock(NOW), NOW + JUMP, NOW + 2 * MINUTE) == ExpiryClock(NOW + 2 * MINUTE)


def test_a_clock_that_was_set_back_is_followed_and_then_not_ahead_again():
    seen = after(ExpiryClock(NOW), NOW - JUMP)

    assert seen == ExpiryClock(NOW - JUMP)
    assert seen.observe(NOW).trusted == NOW - JUMP


def test_a_second_doubtful_time_begins_the_day_anew_if_it_is_earlier():
    seen = after(ExpiryClock(NOW), NOW + 2 * JUMP, NOW + JUMP)

    assert seen == ExpiryClock(NOW, NOW + JUMP)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_known_of_the_clock_outlives_the_process(tmp_path: Path, kind: str):
    async with empty_database(kind) as server:
        for now, expected in (
            (NOW, NOW),
            (NOW + JUMP, NOW),
            (NOW + JUMP + MINUTE, NOW),
            (NOW + MINUTE, NOW + MINUTE),
            (NOW + JUMP, NOW + MINUTE),
            (NOW + JUMP + CONFIRMED, NOW + JUMP + CONFIRMED),
        ):
            async with open_database(tmp_path, server) as database:
                unit_of_work = SqlUnitOfWork(database, lambda: 0)
                found = await unit_of_work.run(partial(expiry_time, now=now))
            assert found == expected


@dataclass
class Clock:
    now: int = NOW

    def __call__(self) -> int:
        self.now += 1000
        return self.now


async def test_no_data_expires_because_the_clock_jumped(tmp_path: Path):
    clock = Clock()
    async with open_app(Settings(data_dir=tmp_path), clock=clock) as app:
        for n in range(3):
            await app.scans.publisher.publish(TESTER, version(f"shop-{n}", clock), RUNS)
        await app.retention.expire(clock())
        history = await app.graphs.history()

        with capture_logs() as logs:
            for _ in range(3):
                clock.now += JUMP if clock.now < NOW + JUMP else MINUTE
                assert not any((await app.retention.expire(clock())).values())

        assert len(await app.graphs.datasets()) == 3
        assert await app.graphs.history() == history
        assert [each["event"] for each in logs] == ["clock_jumped"]
        clock.now += CONFIRMED
        assert any((await app.retention.expire(clock())).values())
