"""Analysis and mitigations follow what the catalog declares of failures, as simulation does."""

from __future__ import annotations

import pytest

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.analysis.suggestions import suggestions
from agentguard.catalog.matching import Matches, match
from agentguard.catalog.reading import read_catalog
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.declared import facts_of
from agentguard.simulation.engine import simulate
from agentguard.simulation.mitigations import MitigationKind, mitigations
from tests.simulation.worlds import call, needs, record, workflow, world

GRAPH = world(needs("A", "B"), needs("A", "C"), workflows=[workflow("w", "A")])
STOPPED = ("w", call("A", call("B", failed=True), failed=True))
RUNS = record([("w", call("A", call("B"), call("C")))] * 10 + [STOPPED] * 20)


def declaring(text: str) -> Matches:
    return match(GRAPH, read_catalog(f"any: [{{{text}}}]", origin="catalog.yaml"))


def lost_in_outage(matches: Matches | None, component: str) -> float:
    """Return the runs that the analysis says are lost, which must be those of `simulate`."""
    found = analyze(GRAPH, RUNS, matches=matches)
    spof = next((s for s in found.spofs if s.component == component), None)
    catalog = None if matches is None else matches.catalog
    result = simulate(GRAPH, RUNS, [component], catalog=catalog)
    expected = sum(w.runs_lost for w in result.workflows)
    if spof is not None:
        assert sum(w.runs_lost or 0 for w in spof.workflows) == pytest.approx(expected, rel=0.02)
    return 0.0 if spof is None else expected


def test_what_is_declared_optional_is_no_single_point_of_failure():
    assert lost_in_outage(None, "B") > 9
    assert lost_in_outage(declaring("name: A, optional: [B]"), "B") == 0


def test_what_is_declared_required_is_one():
    survived = ("w", call("A", call("C", failed=True)))
    runs: Runs = record([("w", call("A", call("C")))] * 10 + [survived] * 20)
    matches = declaring("name: A, required: [C]")

    def points(of: Matches | None) -> set[str]:
        return {s.component for s in analyze(GRAPH, runs, matches=of).spofs}

    assert "C" not in points(None)
    assert "C" in points(matches)


@pytest.mark.parametrize("declared", ["name: B, standbys: [B2]", "name: A, any_of: [[B, B2]]"])
def test_a_declared_standby_lowers_what_a_spare_would_save(declared: str):
    matches = declaring(declared)
    facts = facts_of(GRAPH, matches)

    (without,) = spares(mitigations(GRAPH, RUNS, ["B"]))
    (with_standby,) = spares(mitigations(GRAPH, RUNS, ["B"], declared=facts))
    assert 0 < with_standby < without

    found = analyze(GRAPH, RUNS, matches=matches)
    assert analysis_document(found)["spofs"] is not None
    assert {r.component for r in found.risks} == {c.id for c in GRAPH.components}
    assert suggestions(GRAPH, RUNS, found, declared=facts)


def spares(found) -> list[float]:
    return [m.runs for m in found if m.kind is MitigationKind.SPARE]


def test_without_runs_the_structure_follows_what_is_declared():
    graph: Graph = GRAPH
    matches = declaring("name: A, optional: [B]")

    def points(of: Matches | None) -> set[str]:
        return {s.component for s in analyze(graph, None, matches=of).spofs}

    assert "B" in points(None)
    assert "B" not in points(matches)
