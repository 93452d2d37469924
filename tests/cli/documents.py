"""All documents that the tables show, of any graph, computed as the commands do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.catalog.comparing import compare
from agentguard.catalog.documents import comparison_document
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog, Entry, EntryKind, Reference
from agentguard.catalog.views import view
from agentguard.graph.documents import graph_document
from agentguard.graph.evidence_links import trace_links
from agentguard.graph.model import Evidence, Graph
from agentguard.graph.storage.history import History
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from tests.graph.handmade import CHECKOUT, PAYMENT, PRICING, START, shop

TEMPLATE = "http://jaeger:16686/trace/{trace_id}"


def documents(
    graph: Graph, failed: str, *, owner: str = "payments team", template: str | None = None
) -> dict[str, Any]:
    catalog = Catalog((Entry(EntryKind.AGENT, id=PRICING.id, owner=owner),), origin="catalog.yaml")
    drifting = Entry(
        EntryKind.AGENT, id=CHECKOUT.id, owner=owner, models=(Reference(owner),), tools=()
    )
    drifted = replace(
        catalog,
        entries=(*catalog.entries, drifting, Entry(EntryKind.AGENT, name="Gone", owner=owner)),
    )
    matches = match(graph, catalog)
    shown = view(matches, trace_links(template))
    result = simulate(graph, None, [failed])
    return {
        "graph": graph_document(
            graph,
            shown,
            analysis=analysis_document(analyze(graph, None, matches=matches), links=shown.links),
        ),
        "simulation": {"id": None} | simulation_document(result, links=shown.links),
        "playbook": playbook_document(generate(graph, result, matches=matches), links=shown.links),
        "catalog": comparison_document(
            compare(graph, drifted, History(), now=START, ghost_days=7), shown.links
        ),
    }


def shop_called(name: str, trace_id: str) -> Graph:
    """The shop with a stranger's text for every name and id that telemetry gives."""
    graph = shop()
    evidence = (Evidence(trace_id, trace_id, 1),)
    given: dict[str, Any] = {
        "server": name,
        "environment": name,
        "providers": (name,),
        "evidence": evidence,
    }
    return replace(
        graph,
        components=tuple(replace(c, name=name + c.name, **given) for c in graph.components),
        dependencies=tuple(replace(d, via=name, evidence=evidence) for d in graph.dependencies),
        workflows=tuple(replace(w, name=name, evidence=evidence) for w in graph.workflows),
        coverage=replace(graph.coverage, refused={name: 1}, unattributed={name: 2}),
    )


FAILED = PAYMENT.id
