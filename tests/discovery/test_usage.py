"""Numbers of tokens are read wherever instrumentations write them, or counted as missing."""

from __future__ import annotations

from typing import Any

import pytest

from agentguard.graph.model import Component, Graph
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.discovery.scoped_spans import payload, protobuf_payload, span

SCOPE = "opentelemetry.instrumentation.openai_v2"
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}


def graph_of(*spans: dict[str, Any]) -> Graph:
    return scan([payload(SCOPE, *spans)], dialects()).graph


def model(graph: Graph) -> Component:
    (found,) = [c for c in graph.components if c.kind == "model"]
    return found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gen_ai.usage.cache_read.input_tokens", 90),
        ("gen_ai.usage.cache_read_input_tokens", "90"),
        ("llm.token_count.prompt_details.cache_read", 90),
        ("ai.usage.cachedInputTokens", 90),
        ("langfuse.observation.usage_details", '{"input": 10, "cache_read_input_tokens": 90}'),
        ("mlflow.chat.tokenUsage", '{"input_tokens": 10, "cache_read_input_tokens": 90}'),
    ],
)
def test_input_tokens_from_the_cache_are_counted_apart(key: str, value: object) -> None:
    call = CHAT | {"gen_ai.usage.input_tokens": 100, key: value}
    graph = graph_of(span(1, "chat gpt-4o", kind="client", attributes=call))

    assert (model(graph).input_tokens, model(graph).cached_input_tokens) == (100, 90)


def test_both_decoders_read_them_alike() -> None:
    call = CHAT | {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 90}
    told = span(1, "chat gpt-4o", kind="client", attributes=call)
    one, other = graph_of(told), scan([protobuf_payload(SCOPE, told)], dialects()).graph

    assert one == other
    assert model(other).cached_input_tokens == 90


def test_dependencies_carry_them_too() -> None:
    call = CHAT | {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.cache_read.input_tokens": 5}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}
    graph = graph_of(
        span(1, "invoke_agent clerk", attributes=agent),
        span(2, "chat gpt-4o", parent=1, kind="client", attributes=call),
    )

    (edge,) = [d for d in graph.dependencies if d.type == "calls_model"]
    assert (edge.input_tokens, edge.cached_input_tokens) == (7, 5)


def test_model_calls_without_tokens_are_counted() -> None:
    silent = span(1, "chat gpt-4o", kind="client", attributes=CHAT)
    failed = span(2, "chat gpt-4o", kind="client", trace=2, failed=True, attributes=CHAT)
    telling = span(
        3,
        "chat gpt-4o",
        kind="client",
        trace=3,
        attributes=CHAT | {"gen_ai.usage.output_tokens": 4},
    )

    assert graph_of(silent, failed, telling).coverage.model_calls_without_usage == 1


def test_one_call_recorded_twice_lacks_tokens_at_most_once() -> None:
    outer = span(1, "chat gpt-4o", kind="client", attributes=CHAT)
    inner = span(2, "chat gpt-4o", kind="client", parent=1, attributes=CHAT)
    telling = span(
        2,
        "chat gpt-4o",
        kind="client",
        parent=1,
        attributes=CHAT | {"gen_ai.usage.input_tokens": 4},
    )

    assert graph_of(outer, inner).coverage.model_calls_without_usage == 1
    assert graph_of(outer, telling).coverage.model_calls_without_usage == 0


AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}
USED = AGENT | {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}


def test_usage_of_the_agent_goes_to_its_one_model_if_its_calls_give_none() -> None:
    graph = graph_of(
        span(1, "invoke_agent clerk", attributes=USED),
        span(2, "chat gpt-4o", parent=1, kind="client", attributes=CHAT),
        span(3, "chat gpt-4o", parent=1, kind="client", attributes=CHAT),
    )

    assert (model(graph).input_tokens, model(graph).output_tokens) == (100, 20)


def test_usage_without_any_models_name_stays_the_agents() -> None:
    graph = graph_of(span(1, "invoke_agent clerk", attributes=USED))

    (clerk,) = [c for c in graph.components if c.kind == "agent"]
    assert (clerk.input_tokens, clerk.output_tokens) == (100, 20)


def test_tokens_for_writing_the_cache_are_no_input_tokens() -> None:
    told = CHAT | {
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_creation_input_tokens": 200,
        "gen_ai.usage.cache_read_input_tokens": 50,
    }
    scope = "opentelemetry.instrumentation.anthropic"
    found = scan(
        [payload(scope, span(1, "chat", kind="client", attributes=told))], dialects()
    ).graph

    assert (model(found).input_tokens, model(found).cached_input_tokens) == (10, 50)
