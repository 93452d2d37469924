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


def test_a_guardrail_beside_the_model_stops_the_run_though_the_model_was_cancelled() -> None:
    triggered = {"gen_ai.operation.name": "guardrail_check", "gen_ai.guardrail.triggered": True}
    clerk = raised(1, "clerk", TRIPWIRE, AGENT)
    guard, cancelled = (
        span(2, "scope", parent=1, attributes=triggered),
        raised(3, "chat", "asyncio.exceptions.CancelledError", CHAT, parent=1),
    )
    guard["endTimeUnixNano"] = str(int(guard["endTimeUnixNano"]) + 20_000_000)
    clerk["endTimeUnixNano"] = str(int(guard["endTimeUnixNano"]) + 10_000_000)

    assert outcome(clerk, guard, cancelled) == (1, 0, 1, 0)


@pytest.mark.parametrize(
    "exception",
    [
        "guardrails.errors.LLMAPIError",
        "nemoguardrails.exceptions.LLMCallException",
        "acme.GuardrailServiceUnavailableError",
    ],
)
def test_a_guardrail_that_breaks_is_a_failure(exception: str) -> None:
    assert outcome(raised(1, "clerk", exception, AGENT)) == (1, 1, 0, 0)


def test_a_filtered_answer_with_another_error_has_failed() -> None:
    filtered = CHAT | {"gen_ai.response.finish_reasons": "content_filter", "error.type": "timeout"}
    clerk = span(1, "clerk", attributes=AGENT)

    assert outcome(clerk, span(2, "chat", parent=1, attributes=filtered)) == (1, 1, 0, 0)


def test_only_the_nested_workflow_that_was_stopped_counts_as_stopped() -> None:
    def flow(number: int, name: str, *, parent: int = 0) -> dict[str, Any]:
        of = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": name}
        return span(number, f"invoke_workflow {name}", parent=parent, attributes=of)

    check = {"gen_ai.operation.name": "guardrail_check", "gen_ai.guardrail.triggered": True}
    graph = graph_of(
        flow(1, "whole"),
        flow(2, "first", parent=1),
        flow(3, "second", parent=1),
        span(4, "scope", parent=3, attributes=check),
    )

    assert {w.name: w.stopped_by_guardrail for w in graph.workflows} == {
        "whole": 1,
        "first": 0,
        "second": 1,
    }


def test_a_guardrail_that_the_caller_caught_did_not_stop_it() -> None:
    inner = AGENT | {"gen_ai.agent.name": "helper"}
    clerk = span(1, "clerk", attributes=AGENT)

    assert outcome(clerk, raised(2, "helper", TRIPWIRE, inner, parent=1)) == (1, 0, 0, 0)


@pytest.mark.parametrize("exception", ["MaxTurnsExceeded", "langgraph.errors.GraphRecursionError"])
def test_a_limit_that_ended_the_run_is_a_failure_whatever_the_status_says(exception: str) -> None:
    clerk = raised(1, "clerk", exception, AGENT)
    clerk["status"] = {}

    assert outcome(clerk) == (1, 1, 0, 0)


def test_an_evaluation_as_passed_states_the_outcome() -> None:
    clerk = span(1, "clerk", attributes=AGENT | {"gen_ai.evaluation.score.label": "pass"})
    failed = span(2, "chat", parent=1, failed=True, attributes=CHAT)

    assert outcome(clerk, failed) == (1, 0, 0, 0)


def _waiting(trace: int, number: int, key: str, conversation: str) -> dict[str, Any]:
    asked = raised(number, "clerk", "GraphInterrupt", AGENT | {key: conversation})
    return asked | {"traceId": f"{trace:032x}"}


def _resuming(trace: int, number: int, key: str, conversation: str) -> dict[str, Any]:
    of = AGENT | {key: conversation}
    return span(number, "clerk", trace=trace, attributes=of)


@pytest.mark.parametrize("key", ["gen_ai.conversation.id", "session.id"])
def test_a_run_that_a_later_run_of_its_conversation_resumed_waits_no_longer(key: str) -> None:
    asked = _waiting(1, 1, key, "c-1")

    assert outcome(asked) == (1, 0, 0, 1)
    assert outcome(asked, _resuming(2, 5, key, "c-1")) == (2, 0, 0, 0)


def test_a_run_of_another_conversation_or_an_earlier_one_resumes_nothing() -> None:
    key = "gen_ai.conversation.id"
    asked = _waiting(2, 5, key, "c-1")

    assert outcome(asked, _resuming(3, 9, key, "c-2")) == (2, 0, 0, 1)
    assert outcome(_resuming(1, 1, key, "c-1"), asked) == (2, 0, 0, 1)


def test_the_last_of_several_runs_of_a_conversation_that_waited_still_waits() -> None:
    key = "gen_ai.conversation.id"
    runs = [_waiting(n, 4 * n, key, "c-1") for n in (1, 2, 3)]

    assert outcome(*runs) == (3, 0, 0, 1)


def test_a_run_that_links_to_the_trace_that_waited_resumes_it() -> None:
    asked = raised(1, "clerk", "GraphInterrupt", AGENT)
    resumed = span(5, "clerk", trace=2, attributes=AGENT)
    other = span(5, "clerk", trace=2, attributes=AGENT)
    resumed["links"] = [{"traceId": asked["traceId"], "spanId": asked["spanId"]}]

    def waiting(*spans: dict[str, Any]) -> int:
        graph = scan([payload(SCOPE, *spans)], dialects()).graph
        return sum(w.waiting_for_person for w in graph.workflows)

    assert (waiting(asked, resumed), waiting(asked, other)) == (0, 1)


def test_the_conversation_can_stand_on_any_span_of_the_run() -> None:
    of = {"gen_ai.conversation.id": "c-1"}
    asked = (
        raised(1, "clerk", "GraphInterrupt", AGENT),
        span(2, "chat", parent=1, attributes=CHAT | of),
    )
    resumed = (
        span(5, "clerk", trace=2, attributes=AGENT),
        span(6, "chat", parent=5, trace=2, attributes=CHAT | of),
    )

    assert outcome(*asked, *resumed)[3] == 0
