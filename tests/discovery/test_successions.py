"""Agents that a workflow runs one after the other are a weak handoff; others are none."""

from __future__ import annotations

from typing import Any

import pytest

from agentguard.graph.model import Dependency
from tests.discovery.test_attribution import CHAT, SERVER, TOOL, Trace, attributes

FLOW: dict[str, Any] = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "flow"}


def workflow(t: Trace) -> int:
    return t.span(0, 1, 100, **FLOW)


def handoffs(t: Trace) -> dict[tuple[str, str], Dependency]:
    return {(d.source, d.target): d for d in t.graph().dependencies if d.type == "handoff"}


def test_agents_one_after_the_other_are_a_weak_handoff_that_says_why() -> None:
    t = Trace()
    flow = workflow(t)
    t.agent("reader", flow, 2, 10)
    t.agent("writer", flow, 11, 20)

    found = handoffs(t)[("agent:reader", "agent:writer")]

    assert found.calls == 1
    assert found.basis.confidence <= 0.4
    assert found.basis.rule.startswith("weak:")


def test_the_workflow_still_starts_each_agent_once() -> None:
    t = Trace()
    flow = workflow(t)
    t.agent("reader", flow, 2, 10)
    t.agent("writer", flow, 11, 20)

    found = t.graph()

    assert all(c.invocations == 1 for c in found.components)
    assert [w.runs for w in found.workflows] == [1]


def test_agents_that_a_service_starts_are_called_by_it() -> None:
    t = Trace()
    root = t.span(0, 1, 100, kind=SERVER)
    t.agent("reader", root, 2, 10)
    t.agent("writer", root, 11, 20)

    assert not handoffs(t)


def test_agents_that_an_agent_or_tool_asks_are_its_delegations() -> None:
    t = Trace()
    boss = t.agent("boss", workflow(t), 2, 90)
    t.agent("reader", boss, 3, 10)
    t.agent("writer", boss, 11, 20)
    tool = t.span(boss, 30, 80, **TOOL)
    t.agent("checker", tool, 31, 40)
    t.agent("printer", tool, 41, 50)

    assert not handoffs(t)


@pytest.mark.parametrize("call", [CHAT, TOOL])
def test_a_workflow_that_calls_a_model_or_tool_itself_orchestrates(call: dict[str, Any]) -> None:
    t = Trace()
    flow = workflow(t)
    t.span(flow, 2, 3, **call)
    t.agent("reader", flow, 4, 10)
    t.agent("writer", flow, 11, 20)

    assert not handoffs(t)


def test_runs_that_overlap_hand_nothing_over() -> None:
    t = Trace()
    flow = workflow(t)
    t.agent("reader", flow, 2, 10)
    t.agent("searcher", flow, 5, 12)
    t.agent("writer", flow, 13, 20)

    assert not handoffs(t)


def test_an_agent_that_ran_before_gets_control_back() -> None:
    t = Trace()
    flow = workflow(t)
    t.agent("boss", flow, 2, 10)
    t.agent("writer", flow, 11, 20)
    t.agent("boss", flow, 21, 30)

    assert set(handoffs(t)) == {("agent:boss", "agent:writer")}


def test_a_failed_agent_hands_nothing_over() -> None:
    t = Trace()
    flow = workflow(t)
    t.agent("reader", flow, 2, 10, failed=True)
    t.agent("backup-reader", flow, 11, 20)

    assert not handoffs(t)


def test_where_a_handoff_is_recorded_the_others_are_no_handoffs() -> None:
    t = Trace()
    flow = workflow(t)
    desk = t.agent("desk", flow, 2, 10)
    t.span(desk, 8, 9, **TOOL | attributes({"gen_ai.tool.name": "transfer_to_writer"}))
    t.agent("writer", flow, 11, 20)
    t.agent("printer", flow, 21, 30)

    assert set(handoffs(t)) == {("agent:desk", "agent:writer")}
