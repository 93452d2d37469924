"""The vectorised replay against a plain one, run by run and call by call."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.discovery.kinds import DependencyType
from agentguard.simulation.recording import recording
from agentguard.simulation.replay import replay, rescue_chances, structural_failures
from agentguard.simulation.structural import failed_nodes, structure
from tests.simulation.strategies import NAMES, recorded_worlds, scenarios, seeds


def plain_replay(graph, runs, failed: set[str], draws) -> tuple[set[int], set[int], list[int]]:
    """Return calls that newly fail, runs lost, and how many calls were rescued, absorbed, of
    unknown absorption.
    """
    calls, recorded = runs.calls.to_pylist(), runs.runs.to_pylist()
    replaces = {c["rescued_by"]: i for i, c in enumerate(calls) if c["rescued_by"] >= 0}
    history = absorption_history(calls, recorded)
    down = plain_structural_failures(graph, runs, failed)
    new: set[int] = set()
    lost: set[int] = set()
    counts = [0, 0, 0]
    for i in range(len(calls) - 1, -1, -1):
        c = calls[i]
        out = (
            c["target"] in failed
            and not c["failed"]
            and not any(calls[a]["target"] in failed for a in ancestors(calls, i))
        )
        if not (out or i in new):
            continue
        new.add(i)
        if draws.rescue_draw[i] < rescue_chance(graph, calls, replaces, i, down):
            counts[0] += 1
            continue
        if c["parent"] >= 0:
            absorbed, final = history[edge(c)]
            counts[2] += final == 0
            if final and draws.absorb_draw[i] < absorbed / final:
                counts[1] += 1
                continue
        if c["parent"] >= 0 and returns(c):
            if not calls[c["parent"]]["failed"]:
                new.add(c["parent"])
        elif not recorded[c["run"]]["failed"]:
            lost.add(c["run"])
    return new, lost, counts


def edge(c):
    return c["source"], c["target"], returns(c)


def returns(c) -> bool:
    return c["type"] is None or DependencyType(c["type"]).returns


def ancestors(calls, i):
    while (i := calls[i]["parent"]) >= 0:
        yield i


def absorption_history(calls, recorded):
    """Of the failures that nothing followed up: how many did no harm, of how many."""
    history: dict[tuple, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for c in calls:
        if c["failed"] and c["rescued_by"] < 0 and c["parent"] >= 0 and c["type"] != "messaging":
            harmed = calls[c["parent"]]["failed"] if returns(c) else recorded[c["run"]]["failed"]
            absorbed, final = history[edge(c)]
            history[edge(c)] = absorbed + (not harmed), final + 1
    return history


def plain_structural_failures(graph, runs, failed):
    s = structure(graph, runs)
    return failed | {
        s.components[n] for n in failed_nodes(s, [s.index[f] for f in failed]).components
    }


def rescue_chance(graph, calls, replaces, i, down) -> float:
    before = i
    while (before := replaces.get(before)) is not None:
        if calls[before]["target"] != calls[i]["target"]:
            return 0.0
    miss = 1.0
    for f in sorted(graph.fallbacks, key=lambda f: (f.owner, f.primary, f.secondary)):
        if (f.owner, f.primary) == (
            calls[i]["source"],
            calls[i]["target"],
        ) and f.secondary not in down:
            miss *= 1 - f.rescued / f.count
    return 1 - miss


@settings(max_examples=80)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_it_finds_what_a_plain_replay_finds(made, failed, seed):
    graph, runs = made
    r = recording(graph, runs, seed=seed)
    scenario = frozenset(r.components.index(f) for f in failed)
    found = replay(
        r,
        [scenario],
        rescue_chances(graph, r, structural_failures(r, structure(graph, runs), [scenario])),
    )

    new, lost, counts = plain_replay(graph, runs, failed, r)
    assert set(found.row.tolist()) == new
    assert set(found.lost_run.tolist()) == lost
    a = found.assumptions[0]
    assert [a.rescued_by_history, a.absorbed_by_history, a.absorption_unknown] == counts
    assert len(found.row) == len(new)
    assert len(found.lost_run) == len(lost)


@settings(max_examples=30)
@given(made=recorded_worlds(), several=st.lists(scenarios, min_size=1, max_size=4), seed=seeds)
def test_scenarios_replayed_together_do_not_disturb_each_other(made, several, seed):
    graph, runs = made
    r, s = recording(graph, runs, seed=seed), structure(graph, runs)
    sets = [frozenset(map(NAMES.index, failed)) for failed in several]
    together = replay(r, sets, rescue_chances(graph, r, structural_failures(r, s, sets)))

    for i, scenario in enumerate(sets):
        alone = replay(
            r, [scenario], rescue_chances(graph, r, structural_failures(r, s, [scenario]))
        )
        assert set(together.row[together.scenario == i].tolist()) == set(alone.row.tolist())
        assert set(together.lost_run[together.lost_scenario == i].tolist()) == set(
            alone.lost_run.tolist()
        )
        assert together.assumptions[i] == alone.assumptions[0]
