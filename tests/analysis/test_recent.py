"""Analyses that many documents share."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from agentguard.analysis.analyze import analyze
from agentguard.analysis.model import Analysis
from agentguard.analysis.recent import RecentAnalyses
from agentguard.graph.level import Level
from tests.graph.handmade import shop

pytestmark = pytest.mark.anyio


class Computed:
    """Computations of one analysis, counted by name."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self.found = analyze(shop(), None)

    def named(self, name: str) -> Callable[[], Analysis]:
        def compute() -> Analysis:
            self.times[name] += 1
            assert self.gate.wait(30)
            return self.found

        return compute


async def test_equal_requests_share_one_computation_and_other_levels_have_their_own():
    recent, computed = RecentAnalyses(), Computed()
    found = await asyncio.gather(
        *(recent.of("v1", Level.AGENT, computed.named("agent")) for _ in range(5)),
        recent.of("v1", Level.SERVICE, computed.named("service")),
    )
    assert all(each is computed.found for each in found)
    assert computed.times == {"agent": 1, "service": 1}


async def test_a_graph_without_a_version_is_analyzed_each_time():
    recent, computed = RecentAnalyses(), Computed()
    for _ in range(2):
        await recent.of(None, Level.AGENT, computed.named("window"))
    assert computed.times == {"window": 2}


async def test_a_failure_is_raised_and_not_kept():
    recent, computed = RecentAnalyses(), Computed()

    def fail() -> Analysis:
        raise MemoryError

    with pytest.raises(MemoryError):
        await recent.of("v1", Level.AGENT, fail)
    assert await recent.of("v1", Level.AGENT, computed.named("v1")) is computed.found


async def test_a_request_that_is_cancelled_leaves_the_computation_to_the_others():
    recent, computed = RecentAnalyses(), Computed()
    computed.gate.clear()
    first, second = (
        asyncio.create_task(recent.of("v1", Level.AGENT, computed.named("v1"))) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    computed.gate.set()
    assert await second is computed.found
    assert first.cancelled()
    assert computed.times == {"v1": 1}


async def test_only_the_last_analyses_are_kept():
    recent, computed = RecentAnalyses(), Computed()
    for version in (*"abcdefgh", "h", "a"):
        await recent.of(version, Level.AGENT, computed.named(version))
    assert computed.times["h"] == 1
    assert computed.times["a"] == 2
