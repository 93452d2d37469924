"""What AgentGuard finds in the recording, against what the systems counted about themselves."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import pytest
import yaml

from agentguard.analysis.analyze import analyze
from agentguard.catalog.loading import load_catalog
from agentguard.catalog.matching import match
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.level import Level
from agentguard.ingest.sources import read_paths
from agentguard.scan.pipeline import Scan, scan
from tests.demo.scoring import COUNTED, counted_in, found_in, references

pytestmark = pytest.mark.xdist_group("demo_discovery")

DEMO = Path(__file__).parents[2] / "demo"
TRUTH = counted_in(yaml.safe_load((DEMO / "truth.yaml").read_text()))


@pytest.fixture(scope="module")
def found() -> Scan:
    with as_file(files("agentguard.demo_recording").joinpath("traces.jsonl.gz")) as path:
        return scan(read_paths([path]), load_dialects())


def test_every_span_is_read_once_understood_and_none_is_refused(found: Scan) -> None:
    coverage = found.graph.coverage

    assert found.refusals == ()
    assert coverage.spans == coverage.spans_read == TRUTH["spans"]
    assert (coverage.unattributed, coverage.orphans, coverage.unresolved_peers) == ({}, 0, 0)


@pytest.mark.parametrize("figure", TRUTH)
def test_the_graph_has_exactly_what_the_systems_counted(figure: str, found: Scan) -> None:
    assert found_in(found.graph)[figure] == TRUTH[figure]


def test_every_failed_call_was_absorbed_or_propagated(found: Scan) -> None:
    called = references(found.graph, COUNTED)

    for edge in found.graph.dependencies:
        if edge.source in called and edge.target in called:
            assert edge.absorbed + edge.propagated == edge.errors, (
                called[edge.source],
                called[edge.target],
            )


def test_the_only_shadow_agent_is_the_one_nobody_declared(found: Scan) -> None:
    matches = match(found.graph, load_catalog(DEMO / "catalog.yaml"))
    called = references(found.graph)

    assert [called[shadow.component] for shadow in matches.shadow] == ["agent:DiscountBot"]
    assert matches.unmatched == ()


def test_both_cycles_are_found_among_agents_and_the_one_across_services_among_services(
    found: Scan,
) -> None:
    called = references(found.graph)

    def cycles(level: Level) -> set[frozenset[str]]:
        found_at = analyze(found.graph, found.runs, level=level).cycles
        return {frozenset(called[member] for member in cycle.components) for cycle in found_at}

    assert cycles(Level.AGENT) == {
        frozenset({"agent:PricingAgent", "agent:PromotionAgent"}),
        frozenset({"agent:WriterAgent", "agent:EditorAgent"}),
    }
    assert cycles(Level.SERVICE) == {frozenset({"service:writing", "service:editing"})}


def test_what_has_a_fallback_or_is_optional_is_no_single_point_of_failure(found: Scan) -> None:
    called = references(found.graph)
    checkout = next(
        workflow.id for workflow in found.graph.workflows if workflow.name == "POST /checkout"
    )
    spofs = {
        called[s.component]
        for s in analyze(found.graph, found.runs, matches=None).spofs
        if checkout in {w.workflow for w in s.workflows}
    }

    assert {
        "agent:CheckoutAgent",
        "agent:PaymentAgent",
        "agent:InventoryAgent",
        "tool:stock_lookup",
        "model:gpt-4o",
    } <= spofs
    assert not spofs & {
        "agent:FraudAgent",
        "agent:RecommendationAgent",
        "agent:DiscountBot",
        "tool:charge_northpay",
        "tool:charge_southpay",
        "tool:send_receipt",
    }
