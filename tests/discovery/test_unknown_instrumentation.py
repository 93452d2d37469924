"""What is found of instrumentations that no dialect knows, and how sure of it the graph is."""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
import pytest

from agentguard.discovery.classification import Classification, Classifier
from agentguard.discovery.dialects.loading import (
    Dialects,
    Role,
    dialects_of,
    load_dialects,
    packaged_tables,
)
from agentguard.discovery.shapes import shape_of, target_of, words
from agentguard.graph.model import Graph
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.other_attributes import MODEL_IN_CONTENT
from agentguard.ingest.spans import KIND_CLIENT, KIND_INTERNAL, KIND_SERVER
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import NAMES, found_nodes_of, lines, truth
from tests.discovery.scoped_spans import payload, span

CONVENTIONS = frozenset(
    {
        *("otel-gen-ai", "openinference", "unknown-instrumentation", "http", "database"),
        *("messaging", "peers", "mcp", "mcp-tools", "handoff-tools", "handoff-spans"),
    }
)
"""Dialects that are nobody's own: general conventions, and names that several frameworks use."""
PUBLIC = (
    "gen_ai.operation.",
    "gen_ai.request.",
    "gen_ai.system",
    "gen_ai.provider",
    "openinference.",
)
PRIVATE = "private attributes only"
ATTRIBUTES = "gen_ai or OpenInference attributes"
Nodes = set[tuple[str, str]]


@cache
def own_dialects(name: str) -> frozenset[str]:
    found = {each.dialect for each in classified(name)} - {"", "shape"}
    return frozenset(found - CONVENTIONS)


@cache
def classified(name: str) -> tuple[Classification, ...]:
    dialects = load_dialects()
    spans = Decoder(dialects.wanted).decode(lines(name)).spans
    table = pa.concat_tables([spans]).unify_dictionaries().combine_chunks()
    return tuple(Classifier(dialects).classify(table).by_shape)


def attributes_of(name: str) -> str:
    keys = {key for each in classified(name) for key, _ in each.attributes}
    return ATTRIBUTES if any(key.startswith(PUBLIC) for key in keys) else PRIVATE


@cache
def without_own(name: str) -> Dialects:
    tables = packaged_tables()
    return dialects_of({f: t for f, t in tables.items() if t["id"] not in own_dialects(name)})


@cache
def graph_without_own(name: str) -> Graph:
    return scan(lines(name), without_own(name)).graph


OWN = [name for name in NAMES if own_dialects(name)]


@pytest.mark.parametrize("attributes", [ATTRIBUTES, PRIVATE])
def test_most_is_found_and_little_is_wrong_without_a_recordings_own_dialects(
    attributes: str,
) -> None:
    names = [name for name in OWN if attributes_of(name) == attributes]
    found: dict[str, Nodes] = {
        name: found_nodes_of(name, graph_without_own(name)) for name in names
    }
    wanted: dict[str, Nodes] = {name: set(truth(name).nodes) for name in names}
    right = sum(len(found[name] & wanted[name]) for name in names)
    precision = right / sum(map(len, found.values()))
    recall = right / sum(map(len, wanted.values()))

    assert len(names) >= 4
    assert precision >= 0.9, f"{precision:.3f}"
    assert recall >= 0.7, f"{recall:.3f}"


@pytest.mark.parametrize("name", OWN)
def test_what_the_form_shows_is_weak_and_names_its_evidence(name: str) -> None:
    keys = {key for body in lines(name) for key in attribute_keys(body.document)}
    by_form = [c for c in graph_without_own(name).components if c.basis.rule.startswith("shape#")]

    for component in by_form:
        evidence = component.basis.rule.removeprefix("shape#")
        assert component.basis.confidence <= 0.6
        assert any(key in evidence for key in (*keys, MODEL_IN_CONTENT, "the span's name"))


def attribute_keys(document: Any) -> set[str]:
    if isinstance(document, list):
        return {key for item in document for key in attribute_keys(item)}
    if not isinstance(document, dict):
        return set()
    own = {document["key"]} if isinstance(document.get("key"), str) else set()
    return own.union(*map(attribute_keys, document.values())) if document else own


def classification_of(scope: str, **attributes: Any) -> Classification:
    dialects = load_dialects()
    found = payload(scope, span(1, "acme.tool.call", **attributes))
    spans = Decoder(dialects.wanted).decode([found]).spans
    (of,) = Classifier(dialects).classify(spans.unify_dictionaries().combine_chunks()).by_shape
    return of


def graph_of(*spans: dict[str, Any]) -> Graph:
    return scan([payload("acme.agents", *spans)], load_dialects()).graph


@pytest.mark.parametrize(
    ("name", "attributes", "role", "called"),
    [
        ("look_up", {"acme.span.type": "tool"}, Role.TOOL, "look_up"),
        ("tool.call", {"acme.type": "TOOL_CALL", "acme.toolName": "look"}, Role.TOOL, "look"),
        ("tool_call look-up", {"acme.kind": "tool_call"}, Role.TOOL, "look-up"),
        ("acme.tool.call", {"acme.tool.name": "look_up"}, Role.TOOL, "look_up"),
        ("planner", {"acme.observation.type": "agent"}, Role.AGENT, "planner"),
        ("run planner", {"acme.agent.name": "planner"}, Role.AGENT, "planner"),
        ("run", {"component.type": "Agent", "component.name": "desk"}, Role.AGENT, "desk"),
        ("acme.llm_request", {"acme.model": "gpt-4o"}, Role.MODEL, "gpt-4o"),
        ("think", {"acme.spanType": "CHAT_MODEL", "acme.model": "house-1"}, Role.MODEL, "house-1"),
        ("openai/gpt-4.1", {"acme:subtype": "model"}, Role.MODEL, "openai/gpt-4.1"),
        ("pass on", {"acme.span.kind": "handoff"}, Role.HANDOFF, "pass on"),
        ("daily report", {"acme.span.kind": "workflow"}, Role.WORKFLOW, "daily report"),
        ("fetch", {"acme.span.kind": "chain"}, Role.STEP, None),
        ("acme.agent.run", {"acme.span.kind": "agent"}, Role.STEP, None),
    ],
)  # fmt: skip
def test_forms_that_show_a_role(
    name: str, attributes: dict[str, str], role: Role, called: str | None
) -> None:
    shape = shape_of(name, KIND_INTERNAL, attributes)

    assert shape is not None
    assert (shape.role, shape.name) == (role, called)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("call", {"acme.span.type": "agent", "acme.node.kind": "tool"}),  # a contradiction
        ("query", {"acme.agent.name": "planner"}),  # the agent's name on a span of another kind
        ("settings", {"acme.model": "gpt-4o"}),  # no model is called here
        ("chat", {"acme.model": "bicycle"}),  # of no known family
        ("answer", {"acme.metadata.agent_name": "planner"}),
        ("answer", {"acme.parent.type": "agent"}),
        ("answer", {"acme.tool.name": "a long text\nof several lines"}),
        ("answer", {"acme.tool.name": "x" * 101}),
        ("answer", {}),
    ],
)
def test_forms_that_show_nothing(name: str, attributes: dict[str, str]) -> None:
    assert shape_of(name, KIND_INTERNAL, attributes) is None


def test_a_server_span_has_no_role_by_form() -> None:
    assert shape_of("look_up", KIND_SERVER, {"acme.span.type": "tool"}) is None


def test_a_client_span_is_no_agent_by_name() -> None:
    assert shape_of("run planner", KIND_CLIENT, {"acme.agent.name": "planner"}) is None


@pytest.mark.parametrize(
    "key", ["user.type", "actor.type", "host.agent.name", "user_agent.name", "http.request.type"]
)
def test_attributes_about_something_else_are_not_kept(key: str) -> None:
    found = classification_of("acme.agents", **{key.replace(".", "__"): "agent"})

    assert found.role is Role.NONE
    assert found.attributes == ()


def test_nothing_else_is_kept_of_spans_that_a_dialect_knows() -> None:
    known = classification_of("openinference.instrumentation.langchain", acme__tool__name="look_up")
    unknown = classification_of("acme.agents", acme__tool__name="look_up")

    assert dict(known.attributes) == {}
    assert dict(unknown.attributes) == {"acme.tool.name": "look_up"}


def test_no_content_is_kept_except_the_models_name() -> None:
    said = '{"choices": [{"text": "my secret"}], "model": "gpt-4o"}'
    found = classification_of(
        "acme.agents",
        acme__llm__output=said,
        acme__messages='[{"role": "user", "content": "my secret"}]',
        acme__tool__arguments='{"question": "my secret"}',
    )

    assert "my secret" not in repr(found.attributes)
    assert dict(found.attributes)["agentguard.model_in_content"] == "gpt-4o"


def test_tokens_are_read_by_the_form_of_their_keys() -> None:
    model: dict[str, Any] = {"acme__model": "gpt-4o", "acme__span__type": "llm"}
    found = graph_of(
        span(1, "ask", acme__usage__promptTokens=7, **model),
        span(2, "ask", acme__usage='{"completion_tokens": 5}', **model),
    )

    (component,) = [c for c in found.components if c.kind == "model"]
    assert (component.input_tokens, component.output_tokens) == (7, 5)


def test_a_step_with_an_agents_name_that_calls_a_model_is_that_agent() -> None:
    found = graph_of(
        span(1, "pricingAgent", acme__kind="prompt"),
        span(2, "ask", parent=1, acme__span__type="llm", acme__model="gpt-4o"),
        span(3, "idleAgent", acme__kind="prompt"),
    )

    assert {c.name for c in found.components if c.kind == "agent"} == {"pricingAgent"}
    (agent,) = [c for c in found.components if c.kind == "agent"]
    assert agent.basis.confidence <= 0.6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("acme.toolCall_id", ("acme", "tool", "call", "id")),
        ("CHAT_MODEL", ("chat", "model")),
        ("genkit:metadata:subtype", ("genkit", "metadata", "subtype")),
        ("LLMCall", ("llm", "call")),
        ("", ()),
    ],
)
def test_names_are_split_into_words(text: str, parts: tuple[str, ...]) -> None:
    assert words(text) == parts


@pytest.mark.parametrize(
    ("name", "target"),
    [("tool_call look-up", "look-up"), ("look up", "look up"), ("acme.tool.call", None)],
)
def test_an_operation_is_no_name(name: str, target: str | None) -> None:
    assert target_of(name) == target
