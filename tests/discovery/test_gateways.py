"""Model gateways: their upstream calls tell which models really answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.graph.model import Graph
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.discovery.scoped_spans import document, span

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}


def chat(
    number: int,
    model: str,
    more: Mapping[str, Any] | None = None,
    *,
    parent: int,
    failed: bool = False,
) -> dict[str, Any]:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model, **(more or {})}
    name = f"chat {model}"
    return span(number, name, parent=parent, kind="client", failed=failed, attributes=attributes)


def caller(asked: str, *, failed: bool = False) -> list[dict[str, Any]]:
    """An agent that makes a model call over HTTP; its client span is span 3."""
    desk = (
        span(1, "invoke_agent clerk", failed=failed, attributes=AGENT),
        chat(2, asked, {"gen_ai.usage.input_tokens": 30}, parent=1, failed=failed),
        span(3, "POST", parent=2, kind="client", http__request__method="POST"),
    )
    for written in desk:
        written["endTimeUnixNano"] = str(int(written["endTimeUnixNano"]) + 100_000_000)
    return [document("desk", *desk)]


def graph_of(asked: str, *upstream: Any, failed: bool = False) -> Graph:
    """The graph of an agent that asks a gateway, which makes the upstream calls below span 4."""
    gate = span(4, "POST /v1/chat", parent=3, kind="server", http__request__method="POST")
    documents = [
        *caller(asked, failed=failed),
        document("gate", gate, *upstream, service="gateway"),
    ]
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


def test_a_gateway_behind_a_gateway_counts_once_whatever_the_ids_are() -> None:
    def graph(middle: int) -> Graph:
        first = document(
            "gate",
            span(4, "POST /v1/chat", parent=3, kind="server", http__request__method="POST"),
            chat(middle, "vendor-x", parent=4),
            span(91, "POST", parent=middle, kind="client", http__request__method="POST"),
            service="gateway",
        )
        second = document(
            "gate",
            span(92, "POST /v1/chat", parent=91, kind="server", http__request__method="POST"),
            chat(93, "gpt-4o", parent=92),
            service="vendor",
        )
        documents = [first, second, *caller("house-small")]
        payloads = [DocumentPayload(str(n), d) for n, d in enumerate(documents)]
        return scan(payloads, dialects()).graph

    for middle in (5, 90):
        found = graph(middle)
        (model,) = [c for c in found.components if c.kind == "model"]
        assert model_calls(found) == {("clerk", "gpt-4o", 1, 0)}
        assert (model.spellings, model.input_tokens) == (("house-small",), 30)


def test_what_else_a_gateway_calls_stays_its_own() -> None:
    embedding = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3"}
    cached = span(5, "embeddings", parent=4, kind="client", attributes=embedding)
    guard = chat(7, "llama-guard-3", parent=4)

    only_cached = graph_of("gpt-4o", cached)
    assert ("clerk", "gpt-4o", 1, 0) in model_calls(only_cached)
    assert ("gateway", "text-embedding-3", 1, 0) in model_calls(only_cached)
    everything = graph_of("gpt-4o", cached, chat(6, "gpt-4o", parent=4), guard)
    assert model_calls(everything) == {
        ("clerk", "gpt-4o", 1, 0),
        ("gateway", "text-embedding-3", 1, 0),
        ("gateway", "llama-guard-3", 1, 0),
    }
    tokens = {c.name: c.input_tokens for c in everything.components if c.kind == "model"}
    assert tokens == {"gpt-4o": 30, "text-embedding-3": 0, "llama-guard-3": 0}


def test_a_later_failure_in_the_gateway_is_not_the_callers() -> None:
    judge = chat(6, "judge", parent=4, failed=True)
    graph = graph_of("gpt-4o", chat(5, "gpt-4o", parent=4), judge)

    assert ("clerk", "gpt-4o", 1, 0) in model_calls(graph)
    assert [w.failed for w in graph.workflows] == [0]


def test_a_call_that_the_caller_gave_up_has_failed_though_the_gateway_got_an_answer() -> None:
    upstream = chat(5, "gpt-4o", parent=4, failed=True), chat(6, "gpt-4o", parent=4)
    graph = graph_of("gpt-4o", *upstream, failed=True)

    assert model_calls(graph) == {("clerk", "gpt-4o", 2, 2)}
    assert [w.failed for w in graph.workflows] == [1]


def test_an_answer_of_an_unrecorded_fallback_is_not_lost() -> None:
    graph = graph_of("gpt-4o", chat(5, "gpt-4o", parent=4, failed=True))

    assert model_calls(graph) == {("clerk", "gpt-4o", 2, 1)}
    assert [w.failed for w in graph.workflows] == [0]


def test_times_stay_those_of_the_callers_clock() -> None:
    later = chat(5, "gpt-4o", parent=4)
    for key in ("startTimeUnixNano", "endTimeUnixNano"):
        later[key] = str(int(later[key]) + 50_000_000)
    graph = graph_of("gpt-4o", later)

    (edge,) = [d for d in graph.dependencies if d.type == "calls_model"]
    assert edge.client_latency


def test_a_tool_requested_through_a_gateway_is_the_callers() -> None:
    asked = '[{"role": "assistant", "parts": [{"type": "tool_call", "name": "lookup"}]}]'
    upstream = chat(5, "gpt-4o", {"gen_ai.output.messages": asked}, parent=4)
    graph = graph_of("gpt-4o", upstream)

    assert [c for c in graph.components if c.kind == "tool"] == []


def test_a_router_within_the_process_is_a_gateway_if_tokens_agree() -> None:
    def graph(tokens: int) -> Graph:
        spans = (
            span(1, "invoke_agent clerk", attributes=AGENT),
            chat(2, "house", {"gen_ai.usage.input_tokens": 30}, parent=1),
            chat(3, "gpt-4o-mini", {"gen_ai.usage.input_tokens": tokens}, parent=2),
        )
        return scan([DocumentPayload("a", document("desk", *spans))], dialects()).graph

    assert model_calls(graph(30)) == {("clerk", "gpt-4o-mini", 1, 0)}
    assert ("clerk", "house", 1, 0) in model_calls(graph(7))
