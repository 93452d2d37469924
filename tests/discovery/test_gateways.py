"""Model gateways: their upstream calls tell which models really answered."""

from __future__ import annotations

from typing import Any

from agentguard.graph.model import Graph
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.discovery.scoped_spans import document, span

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}


def chat(number: int, model: str, *, parent: int, failed: bool = False, **more: Any) -> Any:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, **more}
    name = f"chat {model}"
    return span(number, name, parent=parent, kind="client", failed=failed, attributes=attributes)


def graph_of(asked: str, *upstream: Any, failed: bool = False) -> Graph:
    """The graph of an agent that asks a gateway, which makes the upstream calls below span 4."""
    desk = (
        span(1, "invoke_agent clerk", failed=failed, attributes=AGENT),
        chat(2, asked, parent=1, failed=failed, **{"gen_ai.usage.input_tokens": 30}),
        span(3, "POST", parent=2, kind="client", http__request__method="POST"),
    )
    gate = span(4, "POST /v1/chat", parent=3, kind="server", http__request__method="POST")
    documents = [document("desk", *desk), document("gate", gate, *upstream, service="gateway")]
    return scan([DocumentPayload(str(n), d) for n, d in enumerate(documents)], dialects()).graph


def model_calls(graph: Graph) -> set[tuple[str, str, int, int]]:
    names = {c.id: c.name for c in graph.components}
    return {
        (names[d.source], names[d.target], d.calls, d.errors)
        for d in graph.dependencies
        if d.type == "calls_model"
    }


def test_an_upstream_call_of_the_same_model_is_the_same_call() -> None:
    graph = graph_of("gpt-4o", chat(5, "gpt-4o", parent=4))

    assert model_calls(graph) == {("clerk", "gpt-4o", 1, 0)}


def test_an_alias_is_told_apart_from_the_real_model() -> None:
    graph = graph_of("house-small", chat(5, "gpt-4o-mini", parent=4))

    assert model_calls(graph) == {("clerk", "gpt-4o-mini", 1, 0)}
    (model,) = [c for c in graph.components if c.kind == "model"]
    assert model.spellings == ("house-small",)
    assert model.input_tokens == 30


def test_a_fallback_within_the_gateway_is_seen() -> None:
    upstream = chat(5, "gpt-4o", parent=4, failed=True), chat(6, "claude-haiku-4-5", parent=4)
    graph = graph_of("gpt-4o", *upstream)

    assert model_calls(graph) == {
        ("clerk", "gpt-4o", 1, 1),
        ("clerk", "claude-haiku-4-5", 1, 0),
    }
    assert all(not c.spellings for c in graph.components)
    (fallback,) = graph.fallbacks
    assert (fallback.count, fallback.rescued) == (1, 1)
    assert [w.failed for w in graph.workflows] == [0]


def test_a_retry_within_the_gateway_is_one() -> None:
    graph = graph_of(
        "gpt-4o", chat(5, "gpt-4o", parent=4, failed=True), chat(6, "gpt-4o", parent=4)
    )

    assert model_calls(graph) == {("clerk", "gpt-4o", 2, 1)}
    assert [d.retries for d in graph.dependencies if d.type == "calls_model"] == [1]


def test_a_call_that_failed_between_caller_and_gateway_has_failed() -> None:
    graph = graph_of("gpt-4o", chat(5, "gpt-4o", parent=4), failed=True)

    assert model_calls(graph) == {("clerk", "gpt-4o", 1, 1)}


def test_the_model_of_a_remote_agent_is_that_agents() -> None:
    remote = AGENT | {"gen_ai.agent.name": "lawyer"}
    upstream = (
        span(5, "invoke_agent lawyer", parent=4, attributes=remote),
        chat(6, "gpt-4o", parent=5),
    )
    graph = graph_of("lawyer-model", *upstream)

    assert ("lawyer", "gpt-4o", 1, 0) in model_calls(graph)
    assert ("clerk", "gpt-4o", 1, 0) not in model_calls(graph)


def test_the_model_is_in_the_environment_of_the_caller() -> None:
    desk = document("desk", chat(1, "gpt-4o", parent=0), service="desk")
    gate = document(
        "gate",
        span(2, "POST /v1/chat", parent=1, kind="server", http__request__method="POST"),
        chat(3, "gpt-4o", parent=2),
        service="gateway",
    )
    gate["resourceSpans"][0]["resource"]["attributes"].append(
        {"key": "deployment.environment.name", "value": {"stringValue": "shared"}}
    )
    found = scan([DocumentPayload("a", desk), DocumentPayload("b", gate)], dialects()).graph

    assert [c.environment for c in found.components if c.kind == "model"] == [None]
