"""Game days over all single outages of a graph."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import Scan, scan
from agentguard.simulation import outage_game_days as module
from agentguard.simulation.engine import simulate
from agentguard.simulation.outage_game_days import ALL_SEEN, NO_RUNS, outage_game_days
from tests.discovery.recordings import dialects

DEMO = Path(str(files("agentguard") / "demo_recording" / "traces.jsonl.gz"))


@cache
def demo() -> Scan:
    return scan(read_paths([DEMO]), dialects())


def test_each_game_day_adds_up_those_of_single_outages():
    graph, runs = demo().graph, demo().runs
    found = outage_game_days(graph, runs, seed=3)

    assert len(found.outages) == sum(bool(c.invocations) for c in graph.components)
    singles = {c: simulate(graph, runs, [c], seed=3).game_days for c in found.outages}
    for day in found.days:
        expected = {
            component: one
            for component, days in singles.items()
            for one in days
            if (one.source, one.target, one.standby) == (day.source, day.target, day.standby)
        }
        assert {n.component: n.day for n in day.outages} == expected
        assert day.runs_decided == pytest.approx(
            sum(
                abs(one.runs_lost_if_not - one.runs_lost_if_survived)
                for one in expected.values()
                if one.runs_lost_if_not is not None and one.runs_lost_if_survived is not None
            )
        )


def test_what_decides_about_most_runs_comes_first_and_nothing_that_decides_nothing():
    found = outage_game_days(demo().graph, demo().runs)
    decided = [day.runs_decided for day in found.days]

    assert decided == sorted(decided, reverse=True)
    assert decided[-1] > 0
    for day in found.days:
        within = [each.runs_decided for each in day.outages]
        assert within == sorted(within, reverse=True)


def test_the_same_seed_gives_the_same_days():
    first, again = (outage_game_days(demo().graph, demo().runs, seed=5) for _ in range(2))

    assert first == again


def test_without_runs_the_reason_is_told():
    found = outage_game_days(demo().graph, None)

    assert (found.days, found.outages, found.reason) == ((), (), NO_RUNS)


def test_where_many_calls_are_recorded_only_the_most_invoked_fail(monkeypatch: pytest.MonkeyPatch):
    graph, runs = demo().graph, demo().runs
    monkeypatch.setattr(module, "_MOST_CALLS", 2 * runs.calls.num_rows)
    found = outage_game_days(graph, runs)

    most = sorted(graph.components, key=lambda c: (-c.invocations, c.id))[:2]
    assert found.outages == tuple(c.id for c in most)
    assert found.components == len(graph.components)
    assert found.reason in (None, ALL_SEEN)
