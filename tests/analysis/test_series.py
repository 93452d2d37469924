"""The single points of failure of a workflow, roots first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.discovery.kinds import ComponentKind
from tests.simulation.worlds import call, component, fallback, needs, record, workflow, world

CHAIN = world(
    needs("A", "B"),
    needs("B", "gpt"),
    needs("A", "t"),
    workflows=[workflow("shop", "A")],
    components=[component("gpt", ComponentKind.MODEL), component("t", ComponentKind.TOOL)],
)
RUNS = record(
    [("shop", call("A", call("B", call("gpt")), call("t")))] * 12
    + [("shop", call("A", call("B", call("gpt", failed=True), failed=True), failed=True))] * 4
    + [("shop", call("A", call("t", failed=True), failed=True))] * 4
)


def series_of(graph, runs):
    (found,) = analyze(graph, runs).series
    return found


def test_a_caller_that_only_inherits_its_callees_fate_folds_below_it():
    found = series_of(CHAIN, RUNS)

    roots = {root.component: root.inherits for root in found.roots}
    assert roots == {"gpt": ("B",), "t": ()}
    assert found.entries == ("A",)
    assert found.components == 4


def test_a_caller_that_loses_more_than_its_callee_is_a_root_itself():
    absorbed = call("A", call("B", call("gpt", failed=True)))
    runs = record(
        [("shop", call("A", call("B", call("gpt")), call("t")))] * 20 + [("shop", absorbed)] * 9
    )
    found = series_of(CHAIN, runs)

    assert "gpt" not in {root.component for root in found.roots}
    assert {root.component: root.inherits for root in found.roots}["B"] == ()


def test_roots_are_ranked_by_expected_runs_lost():
    lost = [root.runs_lost for root in series_of(CHAIN, RUNS).roots]

    assert lost == sorted(lost, reverse=True)


def test_a_spare_saves_no_more_than_the_outage_loses():
    for root in series_of(CHAIN, RUNS).roots:
        assert root.spare_saves is not None
        assert root.runs_lost is not None
        assert 0 < root.spare_saves <= root.runs_lost


def test_what_loses_no_run_is_no_single_point_but_structural_only():
    graph = replace(CHAIN, fallbacks=(fallback("B", "gpt", "t", 0, 0),))
    survived = call("A", call("B", call("gpt")), call("t", failed=True))
    runs = record(
        [("shop", call("A", call("B", call("gpt")), call("t")))] * 3 + [("shop", survived)] * 2
    )
    analysis = analyze(graph, runs)

    (found,) = analysis.series
    assert {s.component for s in analysis.spofs}.isdisjoint(found.structural_only)
    for spof in analysis.spofs:
        for w in spof.workflows:
            assert (w.runs_lost or 0.0) >= 0.5


def test_components_that_need_each_other_have_one_root():
    graph = world(
        needs("A", "B"), needs("B", "C"), needs("C", "B"), workflows=[workflow("shop", "A")]
    )
    runs = record([("shop", call("A", call("B", call("C", call("B")))))] * 8)
    found = series_of(graph, runs)

    assert len(found.roots) == 1
    assert {found.roots[0].component, *found.roots[0].inherits} == {"B", "C"}


def test_without_runs_the_series_is_that_of_the_structure():
    found = series_of(CHAIN, None)

    assert {root.component: root.inherits for root in found.roots} == {"gpt": ("B",), "t": ()}
    assert {root.runs_lost for root in found.roots} == {None}
    assert found.structural_only == ()


@pytest.mark.parametrize("runs", [None, RUNS])
def test_every_single_point_of_failure_is_in_the_series_of_its_workflows(runs):
    analysis = analyze(CHAIN, runs)
    document = analysis_document(analysis)

    listed = {
        (s["workflow"], c)
        for s in document["series"]
        for c in [*s["entries"], *(x for r in s["roots"] for x in [r["id"], *r["inherits"]])]
    }
    assert listed == {(w.workflow, s.component) for s in analysis.spofs for w in s.workflows}
