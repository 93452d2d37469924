"""What stands where tells what it is, also for frameworks that have no entry in the table."""

from __future__ import annotations

from typing import Any

import pytest

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from tests.scan.test_pipeline import CLIENT, SERVER, Recorder, edge, pairs


def agents(graph: Graph) -> set[str]:
    return {c.name for c in graph.components if c.kind is ComponentKind.AGENT}


def unnamed(r: Recorder, name: str, parent: str = "") -> str:
    return r.span(name, parent, gen_ai__operation__name="invoke_agent")


def test_an_unnamed_run_around_named_runs_is_a_wrapper() -> None:
    r = Recorder()
    for trace in ("1", "2"):
        r.trace = trace
        task = unnamed(r, f"task number {trace}", unnamed(r, "crew"))
        r.model("gpt-4o", r.agent("writer", task))

    assert agents(r.graph()) == {"writer"}


def test_an_unnamed_run_that_calls_a_model_itself_is_an_agent_that_nothing_names() -> None:
    r = Recorder()
    crew = unnamed(r, "crew")
    r.model("gpt-4o", crew)
    r.agent("writer", crew)

    found = r.graph()

    assert [c.identified for c in found.components if c.kind is ComponentKind.AGENT] == [
        False,
        True,
    ]


def node(r: Recorder, name: str, parent: str) -> str:
    return r.span(
        name, parent, langsmith__span__kind="chain", langsmith__metadata__langgraph_node=name
    )


def test_a_graphs_node_that_calls_a_model_itself_is_an_agent() -> None:
    r = Recorder()
    graph = r.span("desk", langsmith__span__kind="chain")
    r.model("gpt-4o", node(r, "triage", graph))
    node(r, "format_answer", graph)

    found = r.graph()

    assert agents(found) == {"triage"}
    assert ("agent:triage", "model:gpt-4o") in pairs(found)


def test_a_node_inside_an_agents_run_is_a_step_of_it() -> None:
    r = Recorder()
    r.model("gpt-4o", node(r, "ask", r.agent("writer")))

    assert agents(r.graph()) == {"writer"}


def test_a_node_behind_an_agents_tool_is_another_agent() -> None:
    r = Recorder()
    r.model("gpt-4o", node(r, "lawyer", r.tool("ask_lawyer", r.agent("writer"))))

    assert edge(r.graph(), "agent:writer", "agent:lawyer").via == "tool:ask_lawyer"


def test_what_encloses_the_steps_of_a_loop_is_the_agent() -> None:
    r = Recorder()
    run = r.span("triage", langsmith__span__kind="chain")
    r.model("gpt-4o", node(r, "agent", run))

    assert agents(r.graph()) == {"triage"}


def flat(tool: str, agent: str) -> Graph:
    r = Recorder()
    root = r.span(
        "invoke_workflow desk",
        gen_ai__operation__name="invoke_workflow",
        gen_ai__workflow__name="desk",
    )
    r.tool(tool, r.agent("triage", root))
    r.spans["app"][-1]["endTimeUnixNano"] = 10_000_000_000
    r.agent(agent, root)
    return r.graph()


def test_where_runs_are_drawn_flat_a_tool_of_a_like_name_called_the_run_within_its_time() -> None:
    assert (
        edge(flat("check_fraud", "fraud_checker"), "agent:triage", "agent:fraud_checker").via
        == "tool:check_fraud"
    )


def called(graph: Graph) -> set[tuple[str, str]]:
    """Pairs of caller and callee, except agents that only follow each other."""
    weak = {(d.source, d.target) for d in graph.dependencies if d.basis.rule.startswith("weak:")}
    return pairs(graph) - weak


def test_a_run_that_only_happens_at_the_time_of_a_tool_was_not_called_by_it() -> None:
    found = flat("check_fraud", "letter_writer")

    assert ("agent:triage", "agent:letter_writer") not in called(found)


def test_two_client_halves_of_one_mcp_call_are_one_call() -> None:
    r = Recorder()
    outer = r.span(
        "tools/call tides",
        r.agent("pilot"),
        kind=CLIENT,
        mcp__method__name="tools/call",
        gen_ai__tool__name="tides",
    )
    inner = r.span("MCP send tools/call tides", outer, kind=CLIENT, mcp__method__name="tools/call")
    r.span(
        "tools/call tides",
        inner,
        kind=SERVER,
        service="tide-mcp",
        mcp__method__name="tools/call",
        gen_ai__tool__name="tides",
    )

    found = r.graph()

    assert edge(found, "agent:pilot", "tool:tide-mcp/tides").calls == 1
    assert edge(found, "agent:pilot", "mcp_server:tide-mcp").calls == 1


@pytest.mark.parametrize("http", [False, True], ids=["stdio", "streamable HTTP"])
def test_what_an_mcp_server_calls_for_its_client_is_the_work_of_its_tool(http: bool) -> None:
    r = Recorder()
    call: dict[str, Any] = {"mcp__method__name": "tools/call", "gen_ai__tool__name": "tides"}
    above = r.span("tools/call tides", r.agent("pilot"), kind=CLIENT, **call)
    if http:
        above = r.span("POST", above, kind=CLIENT, http__request__method="POST")
        above = r.span(
            "POST /mcp", above, kind=SERVER, service="tide-mcp", http__request__method="POST"
        )
    tool = r.span("tools/call tides", above, kind=SERVER, service="tide-mcp", **call)
    r.span(
        "SELECT",
        tool,
        kind=CLIENT,
        service="tide-mcp",
        db__system__name="sqlite",
        db__namespace="almanac",
    )
    asking = r.span("GET", tool, kind=CLIENT, service="tide-mcp", http__request__method="GET")
    r.span("GET /moon", asking, kind=SERVER, service="moon", http__request__method="GET")

    found = r.graph()

    assert edge(found, "agent:pilot", "tool:tide-mcp/tides").calls == 1
    assert edge(found, "tool:tide-mcp/tides", "datastore:almanac").calls == 1
    assert edge(found, "tool:tide-mcp/tides", "service:moon").calls == 1
    assert not [d for d in found.dependencies if d.target.endswith("service:tide-mcp")]


def test_a_placeholder_is_no_name() -> None:
    r = Recorder()
    planner = r.agent("planner")
    r.span(
        "chat",
        planner,
        gen_ai__operation__name="chat",
        gen_ai__request__model="None",
        gen_ai__response__model="gpt-4o",
    )

    assert ("agent:planner", "model:gpt-4o") in pairs(r.graph())


def test_a_run_is_never_hung_below_itself() -> None:
    """Clocks too coarse to tell a run from a tool inside it."""
    r = Recorder()
    root = r.span(
        "invoke_workflow desk",
        gen_ai__operation__name="invoke_workflow",
        gen_ai__workflow__name="desk",
    )
    helper = r.agent("helper", r.agent("researcher", root))
    r.tool("ask_researcher", helper)
    for span in r.spans["app"]:
        span["startTimeUnixNano"] = span["endTimeUnixNano"] = 1_000_000_000

    assert ("agent:helper", "tool:app/ask_researcher") in pairs(r.graph())


def test_workflows_that_differ_in_case_are_one_under_the_commonest_spelling() -> None:
    r = Recorder()
    for trace, name in enumerate(("Writer", "writer", "Writer")):
        r.trace = str(trace)
        r.agent(name)

    assert [(w.id, w.name, w.runs) for w in r.graph().workflows] == [
        ("workflow:writer", "Writer", 3)
    ]


def test_a_workflows_root_is_the_commonest_name_of_its_root_spans() -> None:
    r = Recorder()
    for trace, name in enumerate(("POST /ask/17", "POST /ask/18", "ask again")):
        r.trace = str(trace)
        r.span(
            name,
            gen_ai__operation__name="invoke_agent",
            gen_ai__agent__name="desk",
        )
    r.trace = "orphan"
    r.agent("lost", "a parent that never came")

    roots = {w.name: w.root for w in r.graph().workflows}

    assert roots["desk"] == "POST /ask/{id}"
    assert roots["lost"] == ""


def test_people_receive_no_handoff() -> None:
    r = Recorder()
    root = r.span(
        "invoke_workflow desk",
        gen_ai__operation__name="invoke_workflow",
        gen_ai__workflow__name="desk",
    )
    r.tool("escalate_to_human", r.agent("planner", root))
    r.agent("writer", root)

    assert ("agent:planner", "agent:writer") not in called(r.graph())
    assert ("agent:planner", "tool:app/escalate_to_human") in called(r.graph())


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "gen_ai__operation__name": "execute_tool",
            "gen_ai__tool__name": "search",
            "error__type": "timeout",
        },
        {
            "mcp__method__name": "tools/call",
            "gen_ai__tool__name": "search",
            "error__type": "tool_error",
        },
        {
            "mcp__method__name": "tools/call",
            "gen_ai__tool__name": "search",
            "rpc__response__status_code": "-32602",
        },
        {
            "gen_ai__operation__name": "chat",
            "gen_ai__request__model": "search",
            "gen_ai__response__finish_reasons": '["error"]',
        },
    ],
)
def test_a_failure_may_stand_in_a_span_whose_status_says_nothing(
    attributes: dict[str, str],
) -> None:
    r = Recorder()
    r.span("work", r.agent("planner"), kind=CLIENT, failed=False, service="app", **attributes)

    assert [d.errors for d in r.graph().dependencies] == [1]


def test_control_flow_is_no_failure_though_an_attribute_calls_it_an_error() -> None:
    r = Recorder()
    told = {
        "gen_ai__operation__name": "execute_tool",
        "gen_ai__tool__name": "search",
        "error__type": "ParentCommand",
    }
    r.span("work", r.agent("planner"), kind=1, failed=False, service="app", **told)

    assert [d.errors for d in r.graph().dependencies] == [0]


def test_a_function_that_is_invoked_is_a_component_by_its_name() -> None:
    r = Recorder()
    r.span(
        "invoke",
        r.agent("planner"),
        kind=CLIENT,
        faas__invoked_name="resize-image",
        faas__invoked_provider="aws",
    )

    assert ("agent:planner", "external:resize-image") in pairs(r.graph())
