"""Tools by which an agent passes control on, whether or not the target is told."""

from __future__ import annotations

from agentguard.discovery.kinds import DependencyType
from agentguard.graph.model import Graph
from tests.scan.test_pipeline import Recorder, edge, pairs


def workflow(r: Recorder) -> str:
    return r.span(
        "invoke_workflow desk",
        gen_ai__operation__name="invoke_workflow",
        gen_ai__workflow__name="desk",
    )


def handed(tool: str, *, arguments: str | None = None, receiver: str = "billing") -> Graph:
    r = Recorder()
    root = workflow(r)
    told = {} if arguments is None else {"gen_ai__tool__call__arguments": arguments}
    r.tool(tool, r.agent("triage", root), **told)
    r.agent("refunds", root)
    r.agent(receiver, root)
    return r.graph()


def test_the_target_in_a_tools_name_receives_the_handoff() -> None:
    found = handed("transfer_to_billing")

    assert edge(found, "agent:triage", "agent:billing").type is DependencyType.HANDOFF
    assert ("agent:triage", "agent:refunds") not in pairs(found)


def test_an_agents_name_may_be_spelled_otherwise_in_the_tools() -> None:
    assert ("agent:triage", "agent:billing agent") in pairs(
        handed("transfer_to_billing", receiver="Billing Agent")
    )


def test_the_target_in_the_arguments_receives_the_handoff() -> None:
    found = handed("transfer_to_agent", arguments='{"agent_name": "billing", "reason": "invoice"}')

    assert edge(found, "agent:triage", "agent:billing").via == "tool:transfer_to_agent"
    assert ("agent:triage", "agent:refunds") not in pairs(found)


def test_without_a_target_the_next_run_receives_the_handoff() -> None:
    found = handed("transfer_to_agent")

    assert edge(found, "agent:triage", "agent:refunds").type is DependencyType.HANDOFF
    assert ("agent:triage", "agent:billing") not in pairs(found)


def test_a_tool_that_speaks_of_no_agent_stays_a_tool() -> None:
    found = handed("transfer_to_savings")

    assert (
        edge(found, "agent:triage", "tool:app/transfer_to_savings").type is DependencyType.USES_TOOL
    )
    others = [d for d in found.dependencies if d.source == "agent:triage"]
    certain = {d.type for d in others if not d.basis.rule.startswith("weak:")}
    assert certain == {DependencyType.USES_TOOL}


def test_an_agent_below_the_tool_is_handed_to_once() -> None:
    r = Recorder()
    r.agent("billing", r.tool("transfer_to_billing", r.agent("triage")))

    found = r.graph()

    assert [(d.source, d.target, d.type, d.calls) for d in found.dependencies] == [
        ("agent:triage", "agent:billing", DependencyType.HANDOFF, 1)
    ]


def test_a_handoff_whose_receiver_never_ran_is_shown_where_the_agent_is_known() -> None:
    r = Recorder()
    r.tool("transfer_to_billing", r.agent("triage"))
    r.trace = "2"
    r.agent("billing")

    assert edge(r.graph(), "agent:triage", "agent:billing").type is DependencyType.HANDOFF
