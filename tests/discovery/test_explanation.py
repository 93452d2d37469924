"""What `dialects explain` says of a trace, and that it agrees with the graph."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.scan.explaining import TraceNotFoundError, explain_payloads
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import FOLDER, NAMES, lines
from tests.discovery.scoped_spans import payload, span

TRACE = f"{1:032x}"


def chat(number: int, parent: int, **more: Any) -> dict[str, Any]:
    return span(
        number,
        "chat gpt-4o",
        parent=parent,
        kind="client",
        gen_ai__operation__name="chat",
        gen_ai__request__model="gpt-4o",
        **more,
    )


def agent(number: int, name: str, parent: int = 0) -> dict[str, Any]:
    return span(
        number,
        f"invoke_agent {name}",
        parent=parent,
        gen_ai__operation__name="invoke_agent",
        gen_ai__agent__name=name,
    )


def explained(*spans: dict[str, Any]) -> list[dict[str, Any]]:
    found = payload("acme.agents", *spans)
    return list(explain_payloads(load_dialects(), [found], TRACE, "a file")["spans"])


def test_each_span_has_its_rule_its_owner_and_the_evidence_for_it() -> None:
    run, call = explained(agent(1, "planner"), chat(2, 1))

    assert (run["role"], run["rule"], run["owner"]) == ("agent", "otel-gen-ai#3", None)
    assert run["file"] == "30-otel-gen-ai.yaml"
    assert "OpenTelemetry semantic conventions" in run["source"]
    assert (call["role"], call["component"]["id"]) == ("model", "model:gpt-4o")
    assert call["owner"]["component"]["id"] == "agent:planner"
    assert call["owner"]["span_id"] == run["span_id"]
    assert (call["owner"]["proof"], call["owner"]["why"]) == ("structure", "recorded parents")


def test_an_owner_by_name_says_so() -> None:
    _, call = explained(agent(1, "planner"), chat(2, 0, gen_ai__agent__name="planner"))

    assert call["owner"]["component"]["id"] == "agent:planner"
    assert call["owner"]["why"] == "an attribute of the call names the caller"


def test_a_changed_role_says_by_what_and_why() -> None:
    inner = chat(3, 2)
    _, outer, copy = explained(agent(1, "planner"), chat(2, 1), inner)

    changes = outer["changes"] + copy["changes"]
    (change,) = changes
    assert (change["role"], change["by"]) == ("step", "deduplicate_calls")
    assert change["why"].endswith(".")


def test_a_role_by_form_names_the_form() -> None:
    (tool,) = explained(span(1, "look_up", acme__span__type="tool"))

    assert tool["rule"] == tool["basis"] == "shape#acme.span.type=tool"


def test_what_was_left_is_counted_by_scope() -> None:
    found = payload("acme.agents", agent(1, "planner"), span(2, "think", parent=1))
    document = explain_payloads(load_dialects(), [found], TRACE, "a file")

    assert [s["role"] for s in document["spans"]] == ["agent", None]
    assert document["without_role"] == {"acme.agents": 1}


def test_an_unknown_trace_is_an_error_that_names_the_place() -> None:
    found = payload("acme.agents", agent(1, "planner"))

    with pytest.raises(TraceNotFoundError, match=r"'ab' is in one\.jsonl"):
        explain_payloads(load_dialects(), [found], "ab", "one.jsonl")


def first_trace(folder: Path) -> str:
    with gzip.open(folder / "traces.jsonl.gz") as file:
        document = orjson.loads(next(iter(file)))
    trace: str = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
    return trace


@pytest.mark.parametrize("name", NAMES)
def test_it_agrees_with_the_graph_of_the_trace(name: str) -> None:
    trace = first_trace(FOLDER / name)
    document = explain_payloads(load_dialects(), lines(name), trace, name)
    graph = scan(lines(name), load_dialects()).graph
    edges = {(d.source, d.target) for d in graph.dependencies}
    components = {c.id for c in graph.components}

    assert {s["component"]["id"] for s in document["spans"] if s["component"]} <= components
    assert {
        (s["owner"]["component"]["id"], s["component"]["id"])
        for s in document["spans"]
        if s["owner"] and s["owner"]["component"]["id"] != s["component"]["id"]
    } <= edges
