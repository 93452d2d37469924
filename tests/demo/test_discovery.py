"""What AgentGuard finds in the recording, against what the systems counted about themselves."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentguard.analysis.analyze import analyze
from agentguard.catalog.matching import match
from agentguard.catalog.reading import load_catalog
from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.model import Component, ComponentKind, Graph
from agentguard.graph.scanning import Scan, scan
from agentguard.ingest.sources import read_paths

DEMO = Path(__file__).parents[2] / "demo"
TRUTH: dict[str, Any] = yaml.safe_load((DEMO / "truth.yaml").read_text())
COUNTED = {ComponentKind.AGENT, ComponentKind.TOOL, ComponentKind.MODEL, ComponentKind.DATASTORE}
"""Kinds of which the systems count the calls."""


@pytest.fixture(scope="module")
def found() -> Scan:
    with as_file(files("agentguard.demo_recording").joinpath("traces.jsonl.gz")) as path:
        return scan(read_paths([path]), load_dialects())


@pytest.fixture(scope="module")
def graph(found: Scan) -> Graph:
    return found.graph


def names(graph: Graph, kind: ComponentKind) -> list[str]:
    return sorted(component.name for component in graph.components if component.kind is kind)


def reference(component: Component) -> str:
    return f"{component.kind}:{component.name}"


def references(graph: Graph, kinds: Iterable[ComponentKind] = tuple(ComponentKind)) -> dict[str, str]:
    """Id → kind and name, as truth.yaml writes it."""
    return {component.id: reference(component) for component in graph.components if component.kind in set(kinds)}


def test_every_span_is_read_once_and_none_is_refused(found: Scan) -> None:
    assert found.refusals == ()
    assert found.graph.coverage.spans == found.graph.coverage.spans_read == TRUTH["spans"]


def test_every_agent_is_found_with_its_runs_and_failures(graph: Graph) -> None:
    seen = {c.name: (c.invocations, c.errors) for c in graph.components if c.kind is ComponentKind.AGENT}

    assert seen == {agent["name"]: (agent["runs"], agent["failed"]) for agent in TRUTH["agents"]}


def test_every_tool_model_and_datastore_is_found_and_no_other(graph: Graph) -> None:
    assert names(graph, ComponentKind.TOOL) == TRUTH["tools"]
    assert names(graph, ComponentKind.MODEL) == [model["name"] for model in TRUTH["models"]]
    assert names(graph, ComponentKind.DATASTORE) == TRUTH["datastores"]


def test_tokens_are_those_that_the_models_replies_named(graph: Graph) -> None:
    seen = {c.name: c.input_tokens + c.output_tokens for c in graph.components if c.kind is ComponentKind.MODEL}

    assert seen == {model["name"]: model["tokens"] for model in TRUTH["models"]}


def test_every_edge_has_its_exact_calls_and_errors_and_no_edge_is_made_up(graph: Graph) -> None:
    called = references(graph, COUNTED)
    edges = [edge for edge in graph.dependencies if edge.source in called and edge.target in called]
    seen = {(called[edge.source], called[edge.target]): (edge.calls, edge.errors) for edge in edges}

    assert len(seen) == len(edges)
    assert seen == {(edge["from"], edge["to"]): (edge["calls"], edge["errors"]) for edge in TRUTH["edges"]}


def test_every_failed_call_was_absorbed_or_propagated(graph: Graph) -> None:
    called = references(graph, COUNTED)

    for edge in graph.dependencies:
        if edge.source in called and edge.target in called:
            assert edge.absorbed + edge.propagated == edge.errors, (called[edge.source], called[edge.target])


def test_retries_and_fallbacks_are_told_apart_and_counted(graph: Graph) -> None:
    called = references(graph, COUNTED)
    edges = [edge for edge in graph.dependencies if edge.retries and edge.source in called and edge.target in called]
    retries = {(called[edge.source], called[edge.target]): edge.retries for edge in edges}
    fallbacks = {(called[f.owner], called[f.primary], called[f.secondary]): f.count for f in graph.fallbacks}

    assert retries == {(retry["caller"], retry["callee"]): retry["count"] for retry in TRUTH["retries"]}
    assert fallbacks == {(f["owner"], f["primary"], f["secondary"]): f["count"] for f in TRUTH["fallbacks"]}


def test_every_workflow_has_its_runs_and_failures(graph: Graph) -> None:
    seen = {workflow.name: (workflow.runs, workflow.failed) for workflow in graph.workflows}

    assert seen == {flow["name"]: (flow["runs"], flow["failed"]) for flow in TRUTH["workflows"]}


def test_the_only_shadow_agent_is_the_one_nobody_declared(graph: Graph) -> None:
    matches = match(graph, load_catalog(DEMO / "catalog.yaml"))
    called = references(graph)

    assert [called[shadow.component] for shadow in matches.shadow] == ["agent:DiscountBot"]
    assert matches.unmatched == ()


def test_both_cycles_are_found_among_agents_and_the_one_across_services_among_services(found: Scan) -> None:
    called = references(found.graph)
    cycles = analyze(found.graph, found.runs, matches=None).cycles

    assert {frozenset(called[member] for member in cycle.components) for cycle in cycles} == {
        frozenset({"agent:PricingAgent", "agent:PromotionAgent"}),
        frozenset({"agent:WriterAgent", "agent:EditorAgent"}),
        frozenset({"service:writing", "service:editing"}),
    }


def test_what_has_a_fallback_or_is_optional_is_no_single_point_of_failure(found: Scan) -> None:
    called = references(found.graph)
    checkout = next(workflow.id for workflow in found.graph.workflows if workflow.name == "POST /checkout")
    spofs = {
        called[s.component] for s in analyze(found.graph, found.runs, matches=None).spofs if checkout in {w.workflow for w in s.workflows}
    }

    assert {"agent:CheckoutAgent", "agent:PaymentAgent", "agent:InventoryAgent", "tool:stock_lookup", "model:gpt-4o"} <= spofs
    assert not spofs & {
        "agent:FraudAgent",
        "agent:RecommendationAgent",
        "agent:DiscountBot",
        "tool:charge_northpay",
        "tool:charge_southpay",
    }
