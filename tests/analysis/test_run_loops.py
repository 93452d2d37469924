"""Loops within runs: found with their spans where they are, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.analysis.run_loops import (
    MOST_ATTEMPTS,
    MOST_TURNS,
    PING_PONG_TRANSFERS,
    LoopKind,
    RunLoop,
    run_loops,
)
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.runs import no_runs
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import NAMES, dialects, lines
from tests.simulation.worlds import Call, call, component, record, world

WORLD = world(
    components=[
        *(component(agent) for agent in ("Triage", "Billing", "Archive")),
        component("search", ComponentKind.TOOL),
        component("gpt", ComponentKind.MODEL),
    ]
)


def handed_over(*agents: str) -> Call:
    """Each agent hands over to the next."""
    below = (handed_over(*agents[1:]),) if agents[1:] else ()
    return Call(agents[0], below, type=DependencyType.HANDOFF)


def turns(*tokens: int | None) -> Call:
    return call("Triage", *(call("gpt", input_tokens=n) for n in tokens))


def attempts(outcomes: str) -> Call:
    """One search per letter: x fails."""
    return call("Triage", *(call("search", failed=each == "x") for each in outcomes))


def found(*entries: Call) -> tuple[RunLoop, ...]:
    return run_loops(WORLD, record([("w", entry) for entry in entries]))


@pytest.mark.parametrize("name", NAMES)
def test_the_recordings_have_no_loops(name):
    scanned = scan(lines(name), dialects())

    assert run_loops(scanned.graph, scanned.runs) == ()


def test_agents_that_pass_control_back_and_forth():
    (loop,) = found(handed_over("Triage", "Billing", "Triage", "Billing", "Triage"))

    assert (loop.kind, loop.components) == (LoopKind.PING_PONG, ("Billing", "Triage"))
    assert (loop.times, loop.runs) == (PING_PONG_TRANSFERS, 1)
    assert [e.span_id for e in loop.evidence] == [f"{n:016x}" for n in range(1, 5)]
    assert {e.trace_id for e in loop.evidence} == {loop.run_id}


@pytest.mark.parametrize(
    "entry",
    [
        handed_over("Triage", "Billing", "Triage", "Billing"),
        handed_over("Triage", "Billing", "Archive", "Triage", "Billing", "Archive", "Triage"),
        call("Triage", *(call("Billing") for _ in range(20))),
    ],
    ids=["one return", "a ring of three", "a supervisor and its worker"],
)
def test_what_is_no_ping_pong(entry):
    assert found(entry) == ()


def test_a_loop_of_several_runs_is_told_once_with_its_longest_run():
    short = handed_over("Triage", *["Billing", "Triage"] * 2)
    long = handed_over("Triage", *["Billing", "Triage"] * 10)

    (loop,) = found(short, long, call("Triage"))

    assert (loop.runs, loop.times, loop.run_id) == (2, 20, f"{1:032x}")
    assert len(loop.evidence) == 10


def test_a_call_that_fails_again_and_again():
    (loop,) = found(attempts("x" * (MOST_ATTEMPTS + 1)))

    assert (loop.kind, loop.components) == (LoopKind.RETRY_STORM, ("Triage", "search"))
    assert loop.times == len(loop.evidence) == MOST_ATTEMPTS + 1


@pytest.mark.parametrize("outcomes", ["x" * MOST_ATTEMPTS, "xxx.xxx.xxx", "." * 50])
def test_what_is_no_retry_storm(outcomes):
    assert found(attempts(outcomes)) == ()


def test_a_context_that_grows_with_every_call():
    (loop,) = found(turns(*range(100, 100 + 10 * (MOST_TURNS + 1), 10)))

    assert (loop.kind, loop.components) == (LoopKind.GROWING_CONTEXT, ("Triage", "gpt"))
    assert (loop.times, loop.input_tokens) == (MOST_TURNS + 1, (100, 200))


@pytest.mark.parametrize(
    "tokens",
    [range(1, MOST_TURNS + 1), [5] * 40, [1, 2, 3, 4, 5] * 8, [None] * 40],
    ids=["few turns", "equal", "cut back", "unknown"],
)
def test_what_is_no_growing_context(tokens):
    assert found(turns(*tokens)) == ()


def test_without_runs_there_is_nothing_to_see():
    assert run_loops(WORLD, no_runs()) == ()


@given(outcomes=st.text("x.", max_size=30))
def test_a_retry_storm_is_a_stretch_of_failures(outcomes):
    longest = max(map(len, outcomes.split(".")))

    loops = found(attempts(outcomes))

    assert [loop.times for loop in loops] == ([longest] if longest > MOST_ATTEMPTS else [])


def test_calls_of_callees_that_the_graph_does_not_have_are_no_storm():
    failing = tuple(call(f"unknown {n}", failed=True) for n in range(MOST_ATTEMPTS + 1))

    assert found(call("Triage", *failing)) == ()
