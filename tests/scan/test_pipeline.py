"""From spans to the graph: who depends on whom, how often, and what became of failures."""

from __future__ import annotations

from itertools import count
from typing import Any

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Dependency, Graph
from agentguard.ingest.formats.plain import payloads
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


class Recorder:
    """Writes spans of one trace after another; each span starts after the one before."""

    def __init__(self) -> None:
        self._ids, self._times = count(1), count(1)
        self.spans: dict[str, list[dict[str, Any]]] = {}
        self.trace = "1"

    def span(
        self,
        name: str,
        parent: str = "",
        *,
        kind: int = 1,
        failed: bool = False,
        service: str = "app",
        **attributes: str,
    ) -> str:
        own, start = str(next(self._ids)), next(self._times) * 1_000_000
        written = [
            {"key": key.replace("__", "."), "value": {"stringValue": value}}
            for key, value in attributes.items()
        ]
        times = {"startTimeUnixNano": start, "endTimeUnixNano": start + 500_000}
        status = {"code": 2 if failed else 0}
        span = {
            "traceId": f"t{self.trace}",
            "spanId": own,
            "parentSpanId": parent,
            "name": name,
            "kind": kind,
            "status": status,
            "attributes": written,
        }
        self.spans.setdefault(service, []).append(span | times)
        return own

    def agent(self, name: str, parent: str = "", **more: Any) -> str:
        return self.span(
            f"invoke_agent {name}",
            parent,
            gen_ai__operation__name="invoke_agent",
            gen_ai__agent__name=name,
            **more,
        )

    def tool(self, name: str, parent: str, **more: Any) -> str:
        return self.span(
            f"execute_tool {name}",
            parent,
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name=name,
            **more,
        )

    def model(self, name: str, parent: str, **more: Any) -> str:
        return self.span(
            f"chat {name}",
            parent,
            kind=CLIENT,
            gen_ai__operation__name="chat",
            gen_ai__request__model=name,
            **more,
        )

    def payload(self) -> DocumentPayload:
        groups = [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": s}}]},
                "scopeSpans": [{"spans": spans}],
            }
            for s, spans in self.spans.items()
        ]
        return DocumentPayload("test", {"resourceSpans": groups})

    def graph(self) -> Graph:
        return scan([self.payload()], dialects()).graph


def edge(graph: Graph, source: str, target: str) -> Dependency:
    return next(d for d in graph.dependencies if (d.source, d.target) == (source, target))


def pairs(graph: Graph) -> set[tuple[str, str]]:
    return {(d.source, d.target) for d in graph.dependencies}


def test_the_caller_depends_on_the_callee() -> None:
    r = Recorder()
    r.model("gpt-4o", r.agent("payment", r.tool("pay", r.agent("checkout"))))

    found = r.graph()

    assert edge(found, "agent:checkout", "agent:payment").type is DependencyType.DELEGATES
    assert edge(found, "agent:checkout", "agent:payment").via == "tool:pay"
    assert ("agent:payment", "agent:checkout") not in pairs(found)


def test_an_owner_may_stand_any_number_of_spans_above() -> None:
    r = Recorder()
    at = r.agent("deep")
    for level in range(200):
        at = r.span(f"step {level}", at)
    r.model("gpt-4o", at)

    assert pairs(r.graph()) == {("agent:deep", "model:gpt-4o")}


def test_a_failure_that_the_caller_survives_is_absorbed_any_other_is_propagated() -> None:
    r = Recorder()
    r.tool("search", r.agent("calm"), failed=True)
    r.trace = "2"
    r.tool("search", r.agent("fragile", failed=True), failed=True)

    found = r.graph()

    assert (
        edge(found, "agent:calm", "tool:app/search").absorbed,
        edge(found, "agent:calm", "tool:app/search").propagated,
    ) == (1, 0)
    assert (
        edge(found, "agent:fragile", "tool:app/search").absorbed,
        edge(found, "agent:fragile", "tool:app/search").propagated,
    ) == (0, 1)


def test_the_same_callee_again_is_a_retry_and_another_of_its_sort_a_fallback() -> None:
    r = Recorder()
    agent = r.agent("planner")
    r.tool("search", agent, failed=True)
    r.tool("search", agent)
    r.model("big", agent, failed=True)
    r.model("small", agent)

    found = r.graph()

    assert edge(found, "agent:planner", "tool:app/search").retries == 1
    assert [(f.owner, f.primary, f.secondary, f.count, f.rescued) for f in found.fallbacks] == [
        ("agent:planner", "model:big", "model:small", 1, 1)
    ]


def test_what_is_mostly_used_without_a_failure_is_no_fallback() -> None:
    r = Recorder()
    for trace in range(4):
        r.trace = str(trace)
        agent = r.agent("planner")
        r.tool("search", agent, failed=trace == 0)
        r.tool("summarise", agent)

    assert r.graph().fallbacks == ()


def test_a_call_to_oneself_is_counted_and_not_drawn() -> None:
    r = Recorder()
    r.agent("writer", r.tool("again", r.agent("writer")))

    found = r.graph()

    assert ("agent:writer", "agent:writer") not in pairs(found)
    assert next(c for c in found.components if c.id == "agent:writer").self_calls == 1


def test_two_halves_of_a_call_between_services_are_one_call() -> None:
    r = Recorder()
    caller = r.agent("front", service="web")
    client = r.span(
        "POST",
        caller,
        kind=CLIENT,
        service="web",
        http__request__method="POST",
        server__address="127.0.0.1",
    )
    r.agent(
        "back",
        r.span("POST /run", client, kind=SERVER, service="api", http__request__method="POST"),
        service="api",
    )

    found = r.graph()

    assert edge(found, "agent:front", "agent:back").calls == 1
    assert edge(found, "agent:front", "agent:back").via == "http"
    assert not [c for c in found.components if c.kind is ComponentKind.EXTERNAL]


def test_a_consumer_in_a_trace_of_its_own_is_joined_by_its_link() -> None:
    r = Recorder()
    sent = r.span(
        "send jobs",
        r.agent("boss", service="a"),
        kind=PRODUCER,
        service="a",
        messaging__destination__name="jobs",
    )
    r.trace = "2"
    got = r.span("process jobs", kind=CONSUMER, service="b", messaging__destination__name="jobs")
    worker = r.agent("hand", got, service="b")
    groups = r.spans["b"]
    groups[0]["links"] = [{"traceId": "t1", "spanId": sent}]

    found = r.graph()

    assert worker
    assert edge(found, "agent:boss", "agent:hand").type is DependencyType.MESSAGING
    assert edge(found, "agent:boss", "agent:hand").via == "queue:jobs"
    assert [(w.name, w.runs) for w in found.workflows] == [("boss", 1)]


def test_health_checks_start_no_workflow() -> None:
    r = Recorder()
    r.span("GET /health", kind=SERVER, http__request__method="GET")
    r.trace = "2"
    r.agent("helper", r.span("POST /ask", kind=SERVER, http__request__method="POST"))

    assert [w.name for w in r.graph().workflows] == ["POST /ask"]


def test_the_plain_forms_service_is_an_agent_by_its_name_and_the_reason_says_so() -> None:
    plain = [
        {
            "traceId": "abc123",
            "spans": [
                {"spanId": "span1", "serviceName": "PricingAgent", "attributes": {"type": "llm"}}
            ],
        }
    ]

    found = scan(payloads(plain, "body"), dialects()).graph

    assert [(c.id, c.kind, c.name) for c in found.components] == [
        ("agent:pricingagent", ComponentKind.AGENT, "PricingAgent")
    ]
    assert found.components[0].basis.rule == "service-name"
    assert found.components[0].basis.confidence < 0.5
    assert (found.components[0].evidence[0].trace_id, found.components[0].evidence[0].span_id) == (
        "abc123",
        "span1",
    )


def test_spans_without_a_known_convention_are_counted_and_not_drawn() -> None:
    r = Recorder()
    r.span("inner", r.span("outer"))

    found = r.graph()

    assert found.components == ()
    assert sum(found.coverage.unattributed.values()) == 2


def test_what_was_tried_next_is_told_by_the_callers_clock_not_the_callees() -> None:
    r = Recorder()
    caller = r.agent("front", service="web")
    for name, failed in (("main", True), ("main_spare", False)):
        client = r.span(
            "POST", caller, kind=CLIENT, service="web", failed=failed, http__request__method="POST"
        )
        server = r.span(
            "POST /run",
            client,
            kind=SERVER,
            service=name,
            failed=failed,
            http__request__method="POST",
        )
        r.agent(name, server, service=name, failed=failed)
    for span in r.spans["main_spare"]:
        span["startTimeUnixNano"], span["endTimeUnixNano"] = 1, 2

    found = {(f.owner, f.primary, f.secondary) for f in r.graph().fallbacks}

    assert found == {
        ("agent:front", "agent:main", "agent:main_spare"),
        ("agent:front", "service:main", "service:main_spare"),
    }


def test_roots_of_different_traces_are_never_siblings() -> None:
    r = Recorder()
    r.span(
        "execute_tool lookup", gen_ai__operation__name="execute_tool", gen_ai__tool__name="lookup"
    )
    r.trace = "2"
    r.span("lookup.run", openinference__span__kind="TOOL", tool__name="lookup")
    for span in r.spans["app"]:
        span["startTimeUnixNano"], span["endTimeUnixNano"] = 10, 20
    groups = [
        {"scopeSpans": [{"scope": {"name": f"scope {n}"}, "spans": [span]}]}
        for n, span in enumerate(r.spans["app"])
    ]

    found = scan([DocumentPayload("test", {"resourceSpans": groups})], dialects()).graph

    assert [(c.id, c.invocations) for c in found.components] == [("tool:lookup", 2)]


def linked(r: Recorder, span: str, trace: str, target: str) -> None:
    """Let a span that was written link to another."""
    written = next(s for spans in r.spans.values() for s in spans if s["spanId"] == span)
    written["links"] = [{"traceId": trace, "spanId": target}]


def test_links_that_lead_round_in_a_circle_are_cut_wherever_one_starts() -> None:
    for first, second, third in (("ta", "tb", "tc"), ("tc", "tb", "ta"), ("tb", "tc", "ta")):
        r = Recorder()
        spans = {}
        for trace, make in ((first, "a"), (second, "b"), (third, "c")):
            r.trace = trace
            spans[make] = r.tool(make, "") if make != "c" else r.agent("hand")
        linked(r, spans["a"], f"t{second}", spans["b"])
        linked(r, spans["b"], f"t{first}", spans["a"])
        linked(r, spans["c"], f"t{first}", spans["a"])

        assert len(r.graph().components) == 3
