"""What runs in what: from evidence, apart from dependencies, and at two levels."""

from __future__ import annotations

import pytest

from agentguard.analysis.analyze import analyze
from agentguard.analysis.levels import spofs_at
from agentguard.analysis.model import Spof, SpofWorkflow
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import View, graph_document, scan_document
from agentguard.graph.filtering import GraphFilter, filtered
from agentguard.graph.hosting import agents_of, at_level
from agentguard.graph.level import Level
from agentguard.graph.model import Graph
from agentguard.scan.pipeline import Scan, scan
from agentguard.web.schemas.components import HostingDocument
from tests.discovery.recordings import NAMES, dialects, graph, lines
from tests.scan.test_pipeline import CLIENT, SERVER, Recorder

TRIPS = "fastapi-distributed"
HOSTED = {ComponentKind.AGENT, ComponentKind.TOOL}


def hosts(found: Graph) -> dict[str, set[str]]:
    of: dict[str, set[str]] = {}
    for hosting in found.runs_in:
        of.setdefault(hosting.component, set()).add(hosting.host)
    return of


def scanned(recorder: Recorder) -> Scan:
    return scan([recorder.payload()], dialects())


@pytest.mark.parametrize("name", NAMES)
def test_only_agents_and_tools_run_in_services_and_only_tools_on_mcp_servers(name: str) -> None:
    found = graph(name)
    kinds = {c.id: c.kind for c in found.components}
    servers = {c.id: c.server for c in found.components}

    for hosting in found.runs_in:
        assert kinds[hosting.component] in HOSTED
        if hosting.host_kind is ComponentKind.MCP_SERVER:
            assert kinds[hosting.component] is ComponentKind.TOOL
            assert servers[hosting.component] == hosting.host_name
        else:
            assert hosting.host_kind is ComponentKind.SERVICE


@pytest.mark.parametrize("name", NAMES)
def test_every_agent_that_ran_runs_in_the_service_of_its_spans(name: str) -> None:
    found, of = graph(name), hosts(graph(name))

    for c in found.components:
        if c.kind is ComponentKind.AGENT and c.invocations and any(c.services):
            assert {host.rpartition(":")[2] for host in of[c.id]} <= {
                service.casefold() for service in c.services
            }


@pytest.mark.parametrize("name", NAMES)
def test_each_relation_has_evidence_and_counts_what_ran(name: str) -> None:
    found = graph(name)
    invocations = {c.id: c.invocations for c in found.components}

    assert all(h.evidence and 0 < h.basis.confidence <= 1 for h in found.runs_in)
    for component in {h.component for h in found.runs_in}:
        runs = sum(h.runs for h in found.runs_in if h.component == component)
        assert runs == invocations[component]


@pytest.mark.parametrize("name", NAMES)
def test_no_agent_calls_the_service_it_runs_in(name: str) -> None:
    found, of = graph(name), hosts(graph(name))

    assert not [d for d in found.dependencies if d.target in of.get(d.source, ())]


def test_a_call_of_an_agent_to_its_own_service_is_counted_on_the_service() -> None:
    r = Recorder()
    agent = r.agent("Planner", service="desk")
    call = r.span("POST", agent, kind=CLIENT, service="desk", http__request__method="POST")
    served = r.span("POST /a", call, kind=SERVER, service="desk", http__request__method="POST")
    r.tool("lookup", served, service="desk")

    found = scanned(r)

    service = found.graph.component("service:desk")
    assert ("agent:planner", "service:desk") not in {
        (d.source, d.target) for d in found.graph.dependencies
    }
    assert service is not None
    assert service.self_calls == 1
    assert ("service:desk", "tool:desk/lookup") in {
        (d.source, d.target) for d in found.graph.dependencies
    }


def test_what_only_a_model_or_a_handoff_names_runs_nowhere() -> None:
    r = Recorder()
    agent = r.agent("Planner", service="desk")
    r.model("gpt-4o", agent, service="desk")

    found = scanned(r).graph

    assert hosts(found) == {"agent:planner": {"service:desk"}}


def test_a_service_without_a_name_hosts_nothing() -> None:
    r = Recorder()
    r.agent("Planner", service="unknown_service:python")

    assert scanned(r).graph.runs_in == ()


def test_documents_list_the_relation_apart_from_dependencies() -> None:
    found = graph(TRIPS)

    scanned_, shown = scan_document(found, View()), graph_document(found, View(), analysis={})

    assert scanned_["runs_in"] == shown["runs_in"]
    pairs = {(h["component"], h["host"]) for h in shown["runs_in"]}
    assert ("production/agent:planner", "production/service:planner-agent") in pairs
    assert not pairs & {(d["source"], d["target"]) for d in shown["edges"]}
    assert all(HostingDocument.model_validate(h) for h in shown["runs_in"])


class TestLevels:
    def test_agents_stand_for_their_services(self) -> None:
        shown = at_level(graph(TRIPS), Level.AGENT)

        ids = {c.id for c in shown.components}
        assert ids.isdisjoint(agents_of(graph(TRIPS)))
        assert "production/service:trip-gateway" in ids, "it has no agent"
        assert "production/agent:planner" in ids
        assert all(d.source in ids and d.target in ids for d in shown.dependencies)

    def test_services_stand_for_what_runs_in_them(self) -> None:
        shown = at_level(graph(TRIPS), Level.SERVICE)

        kinds = {c.kind for c in shown.components}
        ends = {
            (d.source.rpartition(":")[2], d.target.rpartition(":")[2]) for d in shown.dependencies
        }
        assert kinds.isdisjoint(HOSTED)
        assert {
            ("trip-gateway", "planner-agent"),
            ("planner-agent", "hotels-agent"),
            ("planner-agent", "gpt-4o"),
            ("flights-agent", "sqlite"),
        } <= ends
        assert ("hotels-agent-backup", "hotels-agent") not in ends, "each runs a tool of that name"

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("level", Level)
    def test_every_end_is_a_component(self, name: str, level: Level) -> None:
        shown = at_level(graph(name), level)

        ids = {c.id for c in shown.components}
        assert {d.target for d in shown.dependencies} <= ids or level is Level.AGENT
        assert len(ids) == len(shown.components)
        assert not [d for d in shown.dependencies if d.source == d.target]

    @pytest.mark.parametrize("name", NAMES)
    def test_a_service_without_spans_of_its_own_calls_what_its_agents_call(self, name: str) -> None:
        found, shown = graph(name), at_level(graph(name), Level.SERVICE)

        models = {d.target for d in found.dependencies if d.type == "calls_model"}
        called = {d.target for d in shown.dependencies if d.type == "calls_model"}
        assert called == models

    def test_single_points_of_failure_are_agents_or_services_without_any(self) -> None:
        found = scan(lines(TRIPS), dialects())
        by_agent = analyze(found.graph, found.runs)
        by_service = analyze(found.graph, found.runs, level=Level.SERVICE)

        agents, services = ({s.component for s in a.spofs} for a in (by_agent, by_service))
        assert {"production/agent:planner", "production/service:trip-gateway"} <= agents
        assert "production/service:planner-agent" not in agents
        assert "production/service:planner-agent" in services
        assert not any(s.kind in HOSTED for s in by_service.spofs)

    def test_a_service_is_told_for_what_fails_without_it_but_without_none_of_its_agents(
        self,
    ) -> None:
        r = Recorder()
        for agent in ("Planner", "Backup"):
            r.agent(agent, service="desk")

        def spof(component: str, kind: ComponentKind, *workflows: str) -> Spof:
            of = [SpofWorkflow(w, w, "", "", False, False, 4, 0, 4, 1.0) for w in workflows]
            return Spof(component, component, kind, tuple(of), ())

        found = (
            spof("service:desk", ComponentKind.SERVICE, "trips", "prices"),
            spof("agent:planner", ComponentKind.AGENT, "trips"),
        )

        told = spofs_at(scanned(r).graph, found, Level.AGENT)

        assert {s.component: [w.workflow for w in s.workflows] for s in told} == {
            "service:desk": ["prices"],
            "agent:planner": ["trips"],
        }

    def test_a_cycle_is_shown_once_at_the_level_asked_for(self) -> None:
        r = Recorder()
        for one, other in (("a", "b"), ("b", "a")):
            r.trace = one
            door = r.span("POST /x", kind=SERVER, service=f"{one}-service", http__method="POST")
            agent = r.agent(one.upper(), door, service=f"{one}-service")
            call = r.span("POST", agent, kind=CLIENT, service=f"{one}-service", http__method="POST")
            at = r.span(
                "POST /x", call, kind=SERVER, service=f"{other}-service", http__method="POST"
            )
            r.agent(other.upper(), at, service=f"{other}-service")
        found = scanned(r)

        agents = analyze(found.graph, found.runs)
        services = analyze(found.graph, found.runs, level=Level.SERVICE)

        assert [c.witness for c in agents.cycles] == [("agent:a", "agent:b")]
        assert [c.witness for c in services.cycles] == [("service:a-service", "service:b-service")]

    def test_a_filter_asks_for_a_level(self) -> None:
        found = graph(TRIPS)

        for level in Level:
            assert filtered(found, View(), GraphFilter(level=level)) == at_level(found, level)
