"""Facts of the catalog override what was estimated, and are said to be declared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.catalog.reading import read_catalog
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.answer import answer
from agentguard.simulation.declared import declared_graph, facts_of
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method, SimulationResult
from agentguard.simulation.modes import parse_mode
from tests.simulation.worlds import call, needs, record, workflow, world

GRAPH = world(needs("A", "B"), needs("A", "C"), workflows=[workflow("w", "A")])
RUNS = record([("w", call("A", call("B"), call("C")))] * 10)
METHODS = pytest.mark.parametrize("method", list(Method))


def declaring(text: str) -> Catalog:
    return read_catalog(f"any: [{{{text}}}]", origin="catalog.yaml")


def outage(
    catalog: Catalog | None, *failed: str, method: Method = Method.REPLAY, runs: Runs = RUNS
) -> SimulationResult:
    return simulate(GRAPH, runs, failed, method=method, catalog=catalog)


def lost(result: SimulationResult) -> float:
    return sum(w.runs_lost for w in result.workflows)


def decided_by(result: SimulationResult) -> tuple[str, ...]:
    return answer(result, {}).decided_by


@METHODS
@pytest.mark.parametrize("key", ["optional", "async"])
def test_what_is_declared_optional_is_survived_though_all_failures_were_not(key, method):
    stopped = ("w", call("A", call("B", failed=True), failed=True))
    runs = record([("w", call("A", call("B")))] * 10 + [stopped] * 20)

    result = outage(declaring(f"name: A, {key}: [B]"), "B", method=method, runs=runs)

    assert lost(outage(None, "B", method=method, runs=runs)) > 9
    assert lost(result) == pytest.approx(0, abs=1e-9)
    assert "A survives without B: so the catalog declares." in decided_by(result)


@METHODS
def test_what_is_declared_required_stops_its_caller_though_all_failures_were_survived(method):
    survived = ("w", call("A", call("B", failed=True)))
    runs = record([("w", call("A", call("B")))] * 10 + [survived] * 20)

    result = outage(declaring("name: A, required: [B]"), "B", method=method, runs=runs)

    assert lost(result) >= 10
    assert "A fails without B: so the catalog declares." in decided_by(result)


@pytest.mark.parametrize(
    "text",
    ["name: B, standbys: [spare]", "name: A, any_of: [[B, spare]]", "name: B, standbys: [C]"],
)
def test_a_standby_never_seen_may_or_may_not_take_over(text):
    catalog = declaring(text + ", optional: []")
    required = replace(facts_of(GRAPH, match(GRAPH, catalog)), survives={("A", "B"): False})

    result = simulate(GRAPH, RUNS, ["B"], facts=required)

    assert 0 < lost(result) < 10
    assert (result.best_runs_lost, result.worst_runs_lost) == (0, 10)
    (day,) = (g for g in result.game_days if g.standby)
    assert (day.source, day.target) == ("A", "B")
    assert (day.runs_lost_if_survived, day.runs_lost_if_not) == (0, 10)
    assert 0 < day.survives < 1


def test_the_answer_names_the_standby_that_decides():
    facts = facts_of(GRAPH, match(GRAPH, declaring("name: B, standbys: [spare]")))
    result = simulate(GRAPH, RUNS, ["B"], facts=replace(facts, survives={("A", "B"): False}))

    said = answer(result, {})

    assert any("spare takes over for B; nobody has seen it do so." in s for s in said.decided_by)
    assert said.undecided is not None
    assert "takes over for B; nobody has seen it do so" in said.undecided
    assert "no fallback was seen" not in said.sentence


def test_a_standby_of_several_callers_is_named_once():
    graph = world(needs("A", "B"), needs("C", "B"), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B"))), ("w", call("C", call("B")))] * 5)
    result = simulate(graph, runs, ["B"], catalog=declaring("name: B, standbys: [spare]"))

    assert sum("takes over for B" in sentence for sentence in decided_by(result)) == 1


@METHODS
def test_a_standby_that_fails_too_takes_nothing_over(method):
    catalog = declaring("name: B, standbys: [C]")
    facts = replace(facts_of(GRAPH, match(GRAPH, catalog)), survives={("A", "B"): False})

    result = simulate(GRAPH, RUNS, ["B", "C"], facts=facts, method=method)

    assert lost(result) == 10


def test_a_declared_standby_makes_the_structure_redundant():
    result = outage(declaring("name: B, standbys: [C]"), "B", method=Method.STRUCTURAL)

    assert lost(result) == 0
    assert "The catalog declares that C takes over for B; nobody has seen it do so." in (
        decided_by(result)
    )


@METHODS
def test_an_unseen_standby_can_be_asked_about(method):
    catalog = declaring("name: B, standbys: [spare]")
    (unseen,) = {c.id for c in declared_graph(GRAPH, catalog).components} - {
        c.id for c in GRAPH.components
    }

    result = outage(catalog, unseen, method=method)

    assert lost(result) == 0
    assert f"The catalog declares that {unseen} takes over for B; nobody has seen it do so." in (
        decided_by(result)
    )
    assert result.blast_radius.components == len(GRAPH.components)


def test_replicas_are_named_and_all_of_them_fail():
    result = outage(declaring("name: B, replicas: 3"), "B")

    assert lost(result) == lost(outage(None, "B"))
    assert "The catalog declares 3 replicas of B: all of them fail here." in decided_by(result)


@pytest.mark.parametrize(("times", "share"), [(0, 0.5), (1, 0.25), (3, 0.0625)])
def test_a_call_is_repeated_as_often_as_declared(times, share):
    facts = facts_of(GRAPH, match(GRAPH, declaring(f"name: A, retries: {times}")))
    facts = replace(facts, survives={("A", "B"): False})

    result = simulate(
        GRAPH,
        RUNS,
        ["B"],
        facts=facts,
        method=Method.MONTE_CARLO,
        modes={"B": parse_mode("errors:0.5")},
    )

    (w,) = result.workflows
    assert w.share == pytest.approx(share, abs=0.03)
    said = {0: "does not repeat a failed call", 1: "repeats a failed call once"}
    how = said.get(times, f"repeats a failed call up to {times} times")
    assert f"A {how}: so the catalog declares." in decided_by(result)


def test_without_facts_the_catalog_changes_nothing():
    before, after = outage(None, "B"), outage(declaring("name: B, owner: me"), "B")

    assert replace(after, money=before.money, severity_reason=before.severity_reason) == before


def shop_of(environment: str) -> Graph:
    return declared_graph(GRAPH, declaring(f"name: B, environment: {environment}, standbys: [x]"))


def test_an_entry_of_another_environment_declares_nothing():
    assert shop_of("prod") == GRAPH


def test_a_declared_timeout_decides_what_slowness_costs_and_is_said():
    graph = world(needs("A", "B", latency=((4160, 10),)), workflows=[workflow("w", "A")])
    runs = record([("w", call("A", call("B")))] * 10)

    def slow(seconds: float) -> SimulationResult:
        catalog = read_catalog(
            f"agents: [{{name: A, timeout_seconds: {seconds}, required: [B]}}]", origin="c"
        )
        modes = {"B": parse_mode("latency:1000000")}
        return simulate(graph, runs, ["B"], modes=modes, catalog=catalog)

    short, long = slow(0.0005), slow(3600)

    assert sum(w.runs_lost for w in short.workflows) > 9
    assert sum(w.runs_lost for w in long.workflows) == 0
    assert short.monte_carlo is not None
    assert [t.timeout_seconds for t in short.monte_carlo.timeouts] == [0.0005]
    decided = answer(long, {}).decided_by
    assert "A waits at most 3600 s for a call: so the catalog declares." in decided
