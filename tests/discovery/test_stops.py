"""Runs that a guardrail stopped or that wait for a person are counted apart from failed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agentguard.graph.model import Graph, Workflow
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.discovery.scoped_spans import payload, protobuf_payload, span

SCOPE = "acme.agents"
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "pay"}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
TRIPWIRE = "agents.exceptions.InputGuardrailTripwireTriggered"


def graph_of(*spans: dict[str, Any], scope: str = SCOPE) -> Graph:
    graph = scan([payload(scope, *spans)], dialects()).graph
    assert scan([protobuf_payload(scope, *spans)], dialects()).graph == graph
    return graph


def workflow(*spans: dict[str, Any], scope: str = SCOPE) -> Workflow:
    (found,) = graph_of(*spans, scope=scope).workflows
    return found


def outcome(*spans: dict[str, Any], scope: str = SCOPE) -> tuple[int, int, int, int]:
    """Runs, failed, stopped by a guardrail, waiting for a person."""
    found = workflow(*spans, scope=scope)
    return found.runs, found.failed, found.stopped_by_guardrail, found.waiting_for_person


def raised(
    number: int, name: str, exception: str, attributes: Mapping[str, Any], *, parent: int = 0
) -> dict[str, Any]:
    found = span(number, name, parent=parent, failed=True, attributes=attributes)
    event = {"key": "exception.type", "value": {"stringValue": exception}}
    return found | {"events": [{"name": "exception", "attributes": [event]}]}


@pytest.mark.parametrize(
    ("exception", "stopped", "waiting"),
    [
        (TRIPWIRE, 1, 0),
        ("OutputGuardrailTripwireTriggered", 1, 0),
        ("langgraph.errors.GraphInterrupt", 0, 1),
        ("pydantic_ai.exceptions.ApprovalRequired", 0, 1),
        ("HumanApprovalRequired", 0, 1),
    ],
)
def test_an_exception_that_stops_a_run_is_no_failure(
    exception: str, stopped: int, waiting: int
) -> None:
    spans = raised(1, "clerk", exception, AGENT), raised(2, "pay", exception, TOOL, parent=1)

    assert outcome(*spans) == (1, 0, stopped, waiting)
    assert all(not c.errors for c in graph_of(*spans).components)


@pytest.mark.parametrize("exception", ["KeyboardInterrupt", "UserInputError", "TimeoutError"])
def test_other_exceptions_are_failures(exception: str) -> None:
    assert outcome(raised(1, "clerk", exception, AGENT)) == (1, 1, 0, 0)


def test_an_agent_above_that_only_passes_the_error_on_has_not_failed() -> None:
    clerk = span(1, "clerk", failed=True, attributes=AGENT)

    assert outcome(clerk, raised(2, "pay", TRIPWIRE, TOOL, parent=1)) == (1, 0, 1, 0)


def test_an_error_after_the_stop_is_a_failure() -> None:
    clerk = span(1, "clerk", failed=True, attributes=AGENT)
    stopped = raised(2, "pay", "GraphInterrupt", TOOL, parent=1)
    broken = raised(3, "pay", "TimeoutError", TOOL, parent=1)

    assert outcome(clerk, stopped, broken) == (1, 1, 0, 0)


def test_a_run_that_went_on_was_not_stopped() -> None:
    clerk = span(1, "clerk", attributes=AGENT)
    asked = raised(2, "pay", "ApprovalRequired", TOOL, parent=1)
    paid = span(3, "pay", parent=1, attributes=TOOL)

    assert outcome(clerk, asked, paid) == (1, 0, 0, 0)


def test_a_guardrail_that_was_triggered_stops_the_run() -> None:
    def check(*, triggered: bool) -> dict[str, Any]:
        found = {"gen_ai.operation.name": "guardrail_check", "gen_ai.guardrail.name": "scope"}
        return span(
            2, "scope", parent=1, attributes=found | {"gen_ai.guardrail.triggered": triggered}
        )

    clerk = span(1, "clerk", attributes=AGENT)
    assert outcome(clerk, check(triggered=True)) == (1, 0, 1, 0)
    assert outcome(clerk, check(triggered=False)) == (1, 0, 0, 0)


@pytest.mark.parametrize("reason", ['["content_filter"]', '["guardrail_intervened"]'])
def test_a_filtered_answer_is_a_guardrail(reason: str) -> None:
    clerk = span(1, "clerk", attributes=AGENT)
    filtered = CHAT | {"gen_ai.response.finish_reasons": reason}

    assert outcome(clerk, span(2, "chat", parent=1, attributes=filtered)) == (1, 0, 1, 0)


def test_the_openai_agents_sdk_tells_it_in_the_message_of_the_status() -> None:
    kind = {"openinference.span.kind": "AGENT", "agent.name": "clerk", "graph.node.id": "clerk"}
    clerk = span(1, "clerk", failed=True, attributes=kind)
    clerk["status"]["message"] = "Guardrail tripwire triggered: {'guardrail': 'scope'}"

    found = outcome(clerk, scope="openinference.instrumentation.openai_agents")
    assert found == (1, 0, 1, 0)


@pytest.mark.parametrize(("label", "failed"), [("fail", 1), ("Failed", 1), ("pass", 0)])
def test_an_evaluation_says_whether_the_run_failed(label: str, failed: int) -> None:
    by_attribute = span(1, "clerk", attributes=AGENT | {"gen_ai.evaluation.score.label": label})
    assert outcome(by_attribute) == (1, failed, 0, 0)

    scored = {"key": "gen_ai.evaluation.score.label", "value": {"stringValue": label}}
    relevance = {"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "relevant"}}
    events = [
        {"name": "gen_ai.evaluation.result", "attributes": [each]} for each in (relevance, scored)
    ]
    assert outcome(span(1, "clerk", attributes=AGENT) | {"events": events}) == (1, failed, 0, 0)


def test_an_evaluation_of_one_answer_is_no_failed_call() -> None:
    clerk = span(1, "clerk", attributes=AGENT)
    answer = CHAT | {"gen_ai.evaluation.score.label": "fail"}

    assert outcome(clerk, span(2, "chat", parent=1, attributes=answer)) == (1, 0, 0, 0)


def test_a_stop_in_another_trace_says_nothing() -> None:
    stopped = raised(1, "clerk", TRIPWIRE, AGENT)
    failed = span(1, "clerk", trace=2, failed=True, attributes=AGENT)
    fine = span(1, "clerk", trace=3, attributes=AGENT)

    assert outcome(stopped, failed, fine) == (3, 1, 1, 0)
