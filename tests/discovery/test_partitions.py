"""Discovery of a trace does not depend on the traces that are discovered with it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest

from agentguard.discovery.call_sides import OpenSides
from agentguard.discovery.classification import Classifier
from agentguard.discovery.kernel import discover
from agentguard.discovery.outcomes import _ends
from agentguard.discovery.partial import Calls, Partial, merged
from agentguard.discovery.prescan import prescan
from agentguard.graph.model import Graph
from tests.discovery.damaged import damaged, lower_halves
from tests.discovery.recordings import NAMES, dialects
from tests.discovery.test_invariance import spans_of
from tests.scan.test_pipeline import CLIENT, SERVER, Recorder, edge


def discovered(spans: pa.Table, partitions: list[np.ndarray]) -> Partial:
    classifier = Classifier(dialects())
    seen = prescan(spans, classifier)
    tables = [spans.filter(pa.array(rows)) for rows in partitions]
    return merged([discover(table, dialects(), classifier, seen) for table in tables])


def same(one: Partial, other: Partial) -> bool:
    apart = ("calls", "parent_cycles", "open_sides")
    rest = [f.name for f in fields(Partial) if f.name not in apart]
    return (
        all(
            np.array_equal(getattr(one.open_sides, f.name), getattr(other.open_sides, f.name))
            for f in fields(OpenSides)
        )
        and all(
            np.array_equal(getattr(one.calls, f.name), getattr(other.calls, f.name))
            for f in fields(Calls)
            if f.name != "cost"
        )
        and np.array_equal(one.calls.cost, other.calls.cost, equal_nan=True)
        and all(getattr(one, name) == getattr(other, name) for name in rest)
        and sorted(one.parent_cycles) == sorted(other.parent_cycles)
    )


@pytest.mark.parametrize("seed", range(6))
def test_any_partition_of_the_traces_merges_to_one_result(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = spans_of(tuple(rng.choice(NAMES, 12, replace=False)))
    spans = damaged(whole, rng) if seed else spans_of(tuple(NAMES))
    part = lower_halves(spans) % np.uint64(rng.choice([3, 40]))
    partitions = [part == number for number in rng.permutation(np.unique(part))]

    in_one = discovered(spans, [np.ones(len(spans), np.bool_)])

    assert same(discovered(spans, partitions), in_one)


def runs_of(graph: Graph, name: str) -> int:
    return next(c.invocations for c in graph.components if c.id == name)


def test_calls_without_a_parent_that_name_one_agent_are_one_run_per_trace() -> None:
    r = Recorder()
    for r.trace in ("1", "2"):
        r.model("gpt-4o", "", gen_ai__agent__name="planner")
        r.model("gpt-4o", "", gen_ai__agent__name="planner")

    assert runs_of(r.graph(), "agent:planner") == 2


def test_where_a_cycle_of_attempts_ends_does_not_depend_on_other_traces() -> None:
    cycle = np.array([1, 2, 0])

    found = [_ends(np.append(cycle, np.full(more, -1)))[:3].tolist() for more in (0, 10, 100)]

    assert found == [found[0]] * 3


def test_only_a_tool_beside_a_request_of_its_own_trace_is_a_request() -> None:
    r = Recorder()
    agent = r.agent("planner")
    r.tool("search", r.model("gpt-4o", agent))
    r.tool("search", agent)
    r.trace = "2"
    r.tool("search", "missing")
    r.tool("search", "")

    assert runs_of(r.graph(), "tool:app/search") == 1 + 2


@pytest.mark.parametrize(("paired", "alone"), [("1", "2"), ("2", "1")])
def test_a_delegating_tool_has_its_own_name_and_not_one_of_another_trace(
    paired: str, alone: str
) -> None:
    r = Recorder()
    for r.trace, caller, callee in ((paired, "a", "x"), (alone, "b", "y")):
        tool = r.tool("ask", r.agent(caller), kind=CLIENT, mcp__method__name="tools/call")
        if r.trace == paired:
            tool = r.tool("answer", tool, kind=SERVER, mcp__method__name="tools/call")
        r.agent(callee, tool)

    found = r.graph()

    assert edge(found, "agent:a", "agent:x").via == "tool:answer"
    assert edge(found, "agent:b", "agent:y").via == "tool:ask"
