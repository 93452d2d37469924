"""Calls without an agent above them: which evidence decides who made them."""

from __future__ import annotations

from typing import Any

import numpy as np

from agentguard.discovery.outcomes import _ends
from agentguard.graph.model import Graph
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.scan.test_pipeline import pairs

SERVER, CLIENT = 2, 3
AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}
CHAT: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
TOOL: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


def attributes(given: dict[str, Any]) -> dict[str, Any]:
    """Return attributes, whose names are no identifiers, for use as keyword arguments."""
    return given


class Trace:
    """Writes the spans of one trace with stated times."""

    def __init__(self) -> None:
        self.groups: list[dict[str, Any]] = []

    def span(
        self,
        parent: int,
        start: int,
        end: int,
        *,
        kind: int = 1,
        service: str = "app",
        scope: str = "any",
        **attributes: Any,
    ) -> int:
        number = len(self.groups) + 1
        span = {
            "traceId": "t",
            "spanId": str(number),
            "parentSpanId": str(parent) if parent else "",
            "name": str(attributes.pop("name", "span")),
            "kind": kind,
            "startTimeUnixNano": start * 1_000_000,
            "endTimeUnixNano": end * 1_000_000,
            "status": {"code": 2 if attributes.pop("failed", False) else 0},
            "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()],
        }
        self.groups.append(
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
                },
                "scopeSpans": [{"scope": {"name": scope}, "spans": [span]}],
            }
        )
        return number

    def agent(self, name: str, parent: int, start: int, end: int, **more: Any) -> int:
        return self.span(
            parent, start, end, **AGENT, **attributes({"gen_ai.agent.name": name}), **more
        )

    def graph(self) -> Graph:
        return scan([DocumentPayload("test", {"resourceSpans": self.groups})], dialects()).graph


def test_the_innermost_run_around_a_call_made_it() -> None:
    t = Trace()
    door = t.span(0, 1, 100, kind=SERVER)
    t.agent("outer", door, 2, 90)
    t.agent("inner", door, 10, 50)
    t.span(door, 20, 30, kind=CLIENT, **CHAT)

    assert ("agent:inner", "model:gpt-4o") in pairs(t.graph())


def test_two_runs_that_only_overlap_leave_the_call_to_the_service() -> None:
    t = Trace()
    door = t.span(0, 1, 100, kind=SERVER)
    t.agent("one", door, 2, 50)
    t.agent("two", door, 10, 60)
    t.span(door, 20, 30, kind=CLIENT, **CHAT)

    assert ("service:app", "model:gpt-4o") in pairs(t.graph())


def test_time_never_overrules_a_recorded_parent() -> None:
    t = Trace()
    door = t.span(0, 1, 100, kind=SERVER)
    parent = t.agent("parent", door, 2, 90)
    t.agent("other", door, 10, 50)
    t.span(parent, 20, 30, kind=CLIENT, **CHAT)

    assert ("agent:parent", "model:gpt-4o") in pairs(t.graph())


def test_a_call_in_another_service_finds_no_owner_by_time() -> None:
    t = Trace()
    door = t.span(0, 1, 100, kind=SERVER)
    t.agent("here", door, 2, 90)
    there = t.span(door, 10, 80, kind=SERVER, service="there")
    t.span(there, 20, 30, kind=CLIENT, service="there", **CHAT)

    assert ("service:there", "model:gpt-4o") in pairs(t.graph())


def test_a_call_whose_parent_is_missing_goes_to_the_run_around_it() -> None:
    t = Trace()
    t.agent("writer", t.span(0, 1, 100, kind=SERVER), 2, 90)
    t.span(99, 20, 30, kind=CLIENT, **CHAT)

    assert ("agent:writer", "model:gpt-4o") in pairs(t.graph())


def test_a_root_that_may_have_made_the_call_itself_keeps_it() -> None:
    t = Trace()
    root = t.span(0, 1, 100, name="router")
    t.span(root, 2, 5, kind=CLIENT, **CHAT)
    t.agent("writer", root, 10, 90)

    assert ("agent:writer", "model:gpt-4o") not in pairs(t.graph())


def test_a_call_that_names_a_running_agent_belongs_to_its_run() -> None:
    t = Trace()
    door = t.span(0, 1, 100, kind=SERVER)
    t.agent("writer", door, 2, 10)
    t.agent("reader", door, 15, 90)
    t.span(door, 20, 30, **TOOL, **attributes({"gen_ai.agent.name": "Writer"}))

    found = t.graph()

    assert ("agent:writer", "tool:app/search") in pairs(found)
    assert [c.invocations for c in found.components if c.id == "agent:writer"] == [1]


def test_a_call_that_contains_the_run_of_the_agent_it_names_stays_where_it_is() -> None:
    t = Trace()
    tool = t.span(0, 1, 100, **TOOL, **attributes({"gen_ai.agent.name": "writer"}))
    t.agent("writer", tool, 2, 90)

    assert pairs(t.graph()) == set()


def test_a_query_inside_a_tools_time_is_the_tools() -> None:
    t = Trace()
    door = t.span(0, 1, 100, kind=SERVER)
    t.span(door, 10, 50, **TOOL)
    t.span(door, 20, 30, kind=CLIENT, **attributes({"db.system": "h2", "db.name": "customers"}))

    assert ("tool:app/search", "datastore:customers") in pairs(t.graph())


def test_spans_beside_the_server_span_of_their_service_are_below_it() -> None:
    t = Trace()
    call = t.span(
        t.agent("desk", 0, 1, 100), 2, 90, kind=CLIENT, **attributes({"http.request.method": "GET"})
    )
    t.span(call, 3, 80, kind=SERVER, service="rates", scope="agent")
    t.span(call, 4, 79, kind=SERVER, service="rates", scope="sdk")
    t.span(call, 10, 20, kind=CLIENT, service="rates", scope="sdk", **CHAT)

    found = t.graph()

    assert pairs(found) == {("agent:desk", "service:rates"), ("service:rates", "model:gpt-4o")}
    assert {d.calls for d in found.dependencies} == {1}


def outcome(t: Trace) -> tuple[int, int]:
    workflow = t.graph().workflows[0]
    return workflow.runs, workflow.failed


def test_a_run_fails_with_the_last_call_of_its_agent() -> None:
    t = Trace()
    agent = t.agent("writer", t.span(0, 1, 100, name="job"), 2, 90)
    t.span(agent, 3, 10, kind=CLIENT, **CHAT)
    t.span(agent, 20, 30, kind=CLIENT, failed=True, **CHAT)

    assert outcome(t) == (1, 1)


def test_a_later_success_rescues_a_run() -> None:
    t = Trace()
    agent = t.agent("writer", t.span(0, 1, 100, name="job"), 2, 90)
    t.span(agent, 3, 10, kind=CLIENT, failed=True, **CHAT)
    t.span(agent, 20, 30, kind=CLIENT, **CHAT)

    assert outcome(t) == (1, 0)


def test_the_search_for_the_last_attempt_ends_in_a_cycle_too() -> None:
    #                     0 → 1 → 0, 2 → 0, 3 → 4 → 5
    following = np.array([1, 0, 0, 4, 5, -1])

    found = _ends(following).tolist()

    assert found[3:] == [5, 5, 5]
    assert set(found[:3]) <= {0, 1}


def test_an_http_status_states_the_outcome() -> None:
    t = Trace()
    status: dict[str, Any] = {"http.request.method": "POST", "http.response.status_code": "200"}
    agent = t.agent("writer", t.span(0, 1, 100, kind=SERVER, name="POST /x", **status), 2, 90)
    t.span(agent, 20, 30, kind=CLIENT, failed=True, **CHAT)

    assert outcome(t) == (1, 0)


def test_after_a_failed_tool_of_an_agent_without_model_spans_the_outcome_is_unknown() -> None:
    t = Trace()
    t.span(t.agent("writer", 0, 1, 90), 20, 30, failed=True, **TOOL)

    assert outcome(t) == (1, 0)


def test_a_request_for_a_tool_and_the_tools_run_are_one_call() -> None:
    t = Trace()
    agent = t.agent("writer", 0, 1, 90)
    t.span(t.span(agent, 2, 10, kind=CLIENT, **CHAT), 9, 10, scope="client", **TOOL)
    t.span(agent, 11, 20, **TOOL)

    uses = [d.calls for d in t.graph().dependencies if d.target == "tool:app/search"]

    assert uses == [1]


def test_a_poll_without_a_message_is_no_run() -> None:
    t = Trace()
    receive: dict[str, Any] = {
        "messaging.system": "aws.sqs",
        "messaging.destination.name": "claims",
    }
    t.span(
        0,
        1,
        9,
        kind=5,
        name="claims receive",
        **receive,
        **attributes({"messaging.operation": "receive"}),
    )

    assert t.graph().workflows == ()


def test_receiving_and_processing_a_message_are_one_run() -> None:
    t = Trace()
    queue: dict[str, Any] = {"messaging.system": "aws.sqs", "messaging.destination.name": "claims"}
    poll = t.span(
        0,
        1,
        9,
        kind=5,
        name="claims receive",
        **queue,
        **attributes({"messaging.operation": "receive"}),
    )
    work = t.span(poll, 9, 50, kind=5, name="claims process", **queue)
    t.agent("reader", work, 10, 40)

    assert [(w.name, w.runs) for w in t.graph().workflows] == [("reader", 1)]
