from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.graph.component_documents import agent_document, component_document
from agentguard.graph.documents import (
    View,
    agents_document,
    graph_document,
    scan_document,
)
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.evidence_links import TraceURLTemplateError, trace_links
from agentguard.graph.model import Graph
from agentguard.graph.rates import too_short
from agentguard.ingest.payloads import Refusal
from agentguard.kernel.clock import timestamp
from tests.graph.handmade import CHECKOUT, FRAUD, MODEL, PRICING, SPAN, START, TRACE, shop

VIEW = View()


def by_id(rows: list[dict]) -> dict[str, dict]:
    return {row["id"]: row for row in rows}


def test_scan_has_all_that_clients_rely_on():
    document = scan_document(shop(), VIEW)

    assert document["total_agents"] == len(document["agents"]) == 3
    assert document["total_dependencies"] == len(document["dependencies"]) == 5
    assert {c["id"] for c in document["components"]} == {c.id for c in shop().components}
    assert document["fallbacks"][0]["primary"] == "tool:charge_card"
    assert document["workflows"][0] | {"evidence": None} == {
        "id": "workflow:checkout",
        "name": "checkout",
        "entry": CHECKOUT.id,
        "root": "POST /checkout",
        "root_component": CHECKOUT.id,
        "runs": 10,
        "failed": 2,
        "stopped_by_guardrail": 0,
        "waiting_for_person": 0,
        "nested_runs": 0,
        "runs_per_hour": None,
        "runs_per_hour_reason": too_short(0),
        "first_seen": "2023-11-14T22:13:20.000000001Z",
        "last_seen": "2023-11-14T22:13:20.000000001Z",
        "evidence": None,
    }
    assert document["coverage"]["spans_read"] == 60


def test_every_dependency_names_its_evidence():
    document = scan_document(shop(), VIEW)

    for dependency in document["dependencies"]:
        assert dependency["evidence"] == [
            {
                "trace_id": TRACE,
                "span_id": SPAN,
                "timestamp": "2023-11-14T22:13:20.000000001Z",
                "reason": "failed",
                "url": None,
            }
        ]
        assert dependency["confidence"] == 0.75


def test_an_agents_type_follows_from_what_it_calls():
    agents = by_id(scan_document(shop(), VIEW)["agents"])

    assert {name: a["type"] for name, a in agents.items()} == {
        CHECKOUT.id: "api_agent",
        PRICING.id: "llm_agent",
        FRAUD.id: "generic_agent",
    }


def test_an_agents_status_follows_from_its_invocations():
    never_ran = replace(PRICING, id="agent:Idle", name="Idle", invocations=0, timed=0)
    graph = replace(shop(), components=(*shop().components, never_ran))

    agents = by_id(scan_document(graph, VIEW)["agents"])

    assert {name: a["metadata"]["status"] for name, a in agents.items()} == {
        CHECKOUT.id: "degraded",
        FRAUD.id: "failed",
        PRICING.id: "ok",
        "agent:Idle": "unknown",
    }
    assert agents[CHECKOUT.id]["metadata"]["duration_ms"] == 5.0
    assert agents["agent:Idle"]["metadata"]["duration_ms"] is None


def test_without_a_catalogue_nobody_is_called_shadow_and_that_is_said():
    document = scan_document(shop(), VIEW)

    assert document["shadow_agents"] == []
    assert {a["shadow"] for a in document["agents"]} == {None}
    assert "AGENTGUARD_CATALOG" in document["shadow_note"]


def test_a_shadow_agent_bears_its_reason():
    view = View(shadows={FRAUD.id: "Seen 4 times, declared nowhere."})

    document = agents_document(shop(), view)

    assert [(a["id"], a["shadow_reason"]) for a in document["shadow_agents"]] == [
        (FRAUD.id, "Seen 4 times, declared nowhere.")
    ]
    assert document["shadow_note"] is None
    assert by_id(document["agents"])[CHECKOUT.id]["shadow"] is False


def test_a_scans_shadow_agent_says_why_when_and_on_what_evidence():
    shadow = replace(FRAUD, first_seen=START, last_seen=START + 1)
    graph = replace(
        shop(), components=tuple(shadow if c.id == FRAUD.id else c for c in shop().components)
    )

    (found,) = scan_document(graph, View(shadows={FRAUD.id: "Declared nowhere."}))["shadow_agents"]

    assert (found["id"], found["shadow_reason"]) == (FRAUD.id, "Declared nowhere.")
    assert (found["first_seen"], found["last_seen"]) == (timestamp(START), timestamp(START + 1))
    assert [(e["trace_id"], e["span_id"]) for e in found["evidence"]] == [(TRACE, SPAN)]


def test_a_component_without_measured_calls_has_no_latency():
    components = by_id(scan_document(shop(), VIEW)["components"])

    assert components[CHECKOUT.id]["latency_ms"] is None
    assert components[MODEL.id]["latency_ms"]["p50"] <= components[MODEL.id]["latency_ms"]["p95"]


def test_a_graph_keeps_the_analysis_beside_nodes_and_edges():
    document = graph_document(shop(), VIEW, analysis={"spof_agents": [CHECKOUT.id]})

    assert (
        by_id(document["nodes"])[CHECKOUT.id] | {"label": "Checkout", "type": "agent"}
        == by_id(document["nodes"])[CHECKOUT.id]
    )
    assert {(e["source"], e["target"], e["type"]) for e in document["edges"]} == {
        (d.source, d.target, d.type.value) for d in shop().dependencies
    }
    assert document["analysis"] == {"spof_agents": [CHECKOUT.id]}


def test_one_agent_comes_with_its_callers_and_callees():
    document = agent_document(shop(), PRICING.id, VIEW)

    assert [d["target"] for d in document["dependencies"]] == [MODEL.id]
    assert [d["source"] for d in document["dependents"]] == [CHECKOUT.id]


@pytest.mark.parametrize("wanted", ["agent:Nobody", MODEL.id])
def test_what_is_no_agent_is_unknown(wanted):
    with pytest.raises(UnknownComponentError):
        agent_document(shop(), wanted, VIEW)


def test_a_component_of_any_kind_has_its_neighbors_and_workflows():
    document = component_document(shop(), MODEL.id, VIEW)

    assert (document["id"], document["type"]) == (MODEL.id, "model")
    assert document["dependencies"] == []
    assert [d["source"] for d in document["dependents"]] == [PRICING.id]
    assert [w["id"] for w in document["workflows"]] == ["workflow:checkout"]


def test_an_unknown_component_is_told():
    with pytest.raises(UnknownComponentError):
        component_document(shop(), "model:nothing", VIEW)


def test_scan_and_graph_describe_components_and_dependencies_alike():
    scanned, graph = scan_document(shop(), VIEW), graph_document(shop(), VIEW, analysis={})

    assert scanned["dependencies"] == graph["edges"]
    for component, node in zip(scanned["components"], graph["nodes"], strict=True):
        assert {k: node[k] for k in component} == component
        assert set(node) - set(component) <= {"label", "type", "agent_type"}
        assert (node["label"], node["type"]) == (component["name"], component["kind"])
    shared = ("fallbacks", "workflows", "window", "coverage", "shadow_note")
    assert {k: graph[k] for k in shared} == {k: scanned[k] for k in shared}


def test_refusals_are_listed_with_their_place():
    refusal = Refusal("spans.jsonl:7", "not-json", "Line 7 is not JSON.")

    document = scan_document(Graph(), VIEW, refusals=[refusal] * 1000)

    assert document["refusals"][0] == {
        "origin": "spans.jsonl:7",
        "reason": "not-json",
        "message": "Line 7 is not JSON.",
        "spans": 1,
    }
    assert len(document["refusals"]) == 100
    assert document["refusals_total"] == 1000


def test_equal_graphs_give_the_same_bytes():
    first, second = (json.dumps(scan_document(shop(), VIEW)) for _ in range(2))

    assert first == second


@given(st.integers(1, 2**63 - 1))
def test_a_timestamp_keeps_every_nanosecond(time):
    seconds, _, fraction = (timestamp(time) or "").rstrip("Z").partition(".")

    assert len(fraction) == 9
    assert int(fraction) == time % 1_000_000_000
    assert len(seconds) == len("2023-11-14T22:13:20")


def test_an_unknown_time_is_null():
    assert timestamp(0) is None


def test_the_last_moment_with_a_timestamp_is_in_the_year_9999():
    year_10000 = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp() + 1) * 10**9
    assert timestamp(year_10000 - 1) == "9999-12-31T23:59:59.999999999Z"
    assert timestamp(year_10000) is None


def test_a_template_turns_evidence_into_links():
    view = View(links=trace_links("http://jaeger:16686/trace/{trace_id}?uiFind={span_id}"))

    evidence = scan_document(shop(), view)["dependencies"][0]["evidence"][0]

    assert evidence["url"] == f"http://jaeger:16686/trace/{TRACE}?uiFind={SPAN}"


@given(st.text(max_size=30))
def test_a_trace_id_never_leaves_its_place_in_the_link(trace_id):
    encodable = trace_id.encode("utf-8", "replace").decode()

    url = trace_links("https://tempo/t/{trace_id}/x").url(encodable) or ""

    assert url.startswith("https://tempo/t/")
    assert url.endswith("/x")
    assert set("/?#<> \"'\n\x1b").isdisjoint(url[len("https://tempo/t/") : -len("/x")])


@pytest.mark.parametrize(
    "template",
    [
        "http://jaeger/trace/",
        "javascript:alert('{trace_id}')",
        "/trace/{trace_id}",
        "http://a b/{trace_id}",
        "http:///{trace_id}",
    ],
)
def test_a_template_that_gives_no_web_link_is_refused(template):
    with pytest.raises(TraceURLTemplateError, match="AGENTGUARD_TRACE_URL"):
        trace_links(template)


@pytest.mark.parametrize("template", [None, ""])
def test_no_template_gives_no_links(template):
    assert trace_links(template).url(TRACE) is None
