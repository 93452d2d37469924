"""Exceptions of runs whose status is not set: those that ended the run fail it, others do not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.discovery.scoped_spans import span
from tests.discovery.test_stops import AGENT, CHAT, outcome

FLOW = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "flow"}


def with_exception(
    found: dict[str, Any], *, before_end: float = 0.1, kind: str = "ValueError", **more: str
) -> dict[str, Any]:
    """Add an exception, a number of milliseconds before the end."""
    values = {"exception.type": kind} | {key.replace("__", "."): v for key, v in more.items()}
    event = {
        "name": "exception",
        "timeUnixNano": str(int(found["endTimeUnixNano"]) - int(before_end * 1e6)),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in values.items()],
    }
    return found | {"events": [*found.get("events", ()), event]}


def lasting(found: dict[str, Any], milliseconds: int) -> dict[str, Any]:
    return found | {"endTimeUnixNano": str(int(found["startTimeUnixNano"]) + milliseconds * 10**6)}


@pytest.mark.parametrize("attributes", [AGENT, FLOW])
def test_an_exception_that_ends_the_run_fails_it_although_a_call_succeeded(
    attributes: dict[str, str],
) -> None:
    run = with_exception(lasting(span(1, "run", attributes=attributes), 100))

    assert outcome(run, span(2, "chat", parent=1, attributes=CHAT)) == (1, 1, 0, 0)


def test_an_exception_of_the_entry_agent_below_a_workflow_fails_the_run() -> None:
    flow = lasting(span(1, "flow", attributes=FLOW), 200)
    clerk = with_exception(lasting(span(2, "clerk", parent=1, attributes=AGENT), 100))

    assert outcome(flow, clerk) == (1, 1, 0, 0)


def test_an_exception_that_the_run_survived_is_no_failure() -> None:
    clerk = with_exception(lasting(span(1, "clerk", attributes=AGENT), 100), before_end=60)

    assert outcome(clerk, span(2, "chat", parent=1, attributes=CHAT)) == (1, 0, 0, 0)


def test_an_exception_before_another_event_is_no_failure() -> None:
    clerk = with_exception(lasting(span(1, "clerk", attributes=AGENT), 100))
    clerk["events"].append({"name": "recovered", "timeUnixNano": clerk["endTimeUnixNano"]})

    assert outcome(clerk) == (1, 0, 0, 0)


def test_a_run_that_states_its_success_has_not_failed() -> None:
    clerk = with_exception(lasting(span(1, "clerk", attributes=AGENT), 100))
    clerk["status"] = {"code": 1}

    assert outcome(clerk) == (1, 0, 0, 0)


def test_an_exception_of_a_call_that_its_agent_survived_is_no_failure() -> None:
    clerk = lasting(span(1, "clerk", attributes=AGENT), 100)
    chat = with_exception(span(2, "chat", parent=1, attributes=CHAT))

    assert outcome(clerk, chat, span(3, "chat", parent=1, attributes=CHAT)) == (1, 0, 0, 0)


@pytest.mark.parametrize(("escaped", "failed"), [("True", 1), ("true", 1), ("False", 0)])
def test_an_exception_that_escaped_fails_its_span_wherever_it_stands(
    escaped: str, failed: int
) -> None:
    clerk = with_exception(
        lasting(span(1, "clerk", attributes=AGENT), 100), before_end=60, exception__escaped=escaped
    )

    assert outcome(clerk) == (1, failed, 0, 0)


def test_an_interrupt_that_ends_the_run_is_no_failure() -> None:
    clerk = with_exception(
        lasting(span(1, "clerk", attributes=AGENT), 100),
        kind="langgraph.errors.GraphInterrupt",
        exception__escaped="True",
    )

    assert outcome(clerk) == (1, 0, 0, 1)
