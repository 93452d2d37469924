"""The JSON documents about graphs, as plain dicts: the API returns them and the CLI prints them.

Times are ISO 8601 in UTC with nanoseconds (null = unknown), durations are milliseconds. Percentiles
have two significant digits: they come from histograms (graph.latency). Key order is fixed, so that
equal graphs give byte-identical JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, TypeAlias

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.broken_hop_documents import broken_hop_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.graph.latency import quantile
from agentguard.graph.model import (
    Basis,
    BrokenHop,
    Component,
    Coverage,
    Dependency,
    Evidence,
    Fallback,
    Graph,
    Hosting,
    Workflow,
)
from agentguard.graph.rates import observed_seconds, per_hour, too_short
from agentguard.graph.selection import SelectedGraph
from agentguard.ingest.payloads import Refusal
from agentguard.kernel.clock import milliseconds, timestamp

Document: TypeAlias = dict[str, Any]

NO_CATALOG = (
    "No catalog is set, so shadow agents cannot be identified. Set AGENTGUARD_CATALOG;"
    " `agentguard catalog init` writes a catalog."
)
MAX_REFUSALS = 100
"""Largest number of rejections that are listed; coverage counts all of them."""

_QUANTILES = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class View:
    """What a document shows in addition to the graph."""

    links: TraceLinks = NO_LINKS
    shadows: Mapping[str, str] | None = None
    """Id of each shadow agent → the reason; None without a catalog."""
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Component id → what the catalog declares about it: owner, value_per_run and more."""


def origin_of(selected: SelectedGraph) -> Document:
    """Return the members that say which graph a document is about."""
    return {
        "dataset": selected.dataset,
        "graph_version": selected.version,
        "created_at": timestamp(selected.created_at),
        "window": window_document(selected.graph),
    }


def evidence_document(evidence: Evidence, links: TraceLinks = NO_LINKS) -> Document:
    """Return one span behind a claim; `url` is None without a trace viewer."""
    return {
        "trace_id": evidence.trace_id,
        "span_id": evidence.span_id,
        "timestamp": timestamp(evidence.time),
        "reason": evidence.reason.value,
        "url": links.url(evidence.trace_id, evidence.span_id),
    }


def coverage_document(coverage: Coverage) -> Document:
    """Return what was read and understood."""
    return {
        "spans_read": coverage.spans_read,
        "spans": coverage.spans,
        "traces": coverage.traces,
        "duplicates": coverage.duplicates,
        "attributed": dict(sorted(coverage.attributed.items())),
        "unattributed": dict(sorted(coverage.unattributed.items())),
        "orphans": coverage.orphans,
        "parent_cycles": coverage.parent_cycles,
        "late": coverage.late,
        "sampling": dict(coverage.sampling),
        "cardinality_limited": dict(coverage.cardinality_limited),
        "housekeeping": dict(coverage.housekeeping),
        "unresolved_peers": coverage.unresolved_peers,
        "unnamed_model_calls": coverage.unnamed_model_calls,
        "model_calls_without_usage": coverage.model_calls_without_usage,
        "outside_window": coverage.outside_window,
        "refused": dict(sorted(coverage.refused.items())),
        "first_seen": timestamp(coverage.first_seen),
        "last_seen": timestamp(coverage.last_seen),
    }


def window_document(graph: Graph) -> Document:
    """Return when the graph's spans were recorded, and the window asked for (null: open)."""
    since, until = (None, None) if graph.asked is None else (graph.asked.since, graph.asked.until)
    return {
        "from": timestamp(graph.coverage.first_seen),
        "to": timestamp(graph.coverage.last_seen),
        "since": timestamp(since or 0),
        "until": timestamp(until or 0),
    }


def scan_document(
    graph: Graph,
    view: View,
    *,
    refusals: Sequence[Refusal] = (),
    refusals_total: int | None = None,
) -> Document:
    """Return the result of a scan: the graph, and the input that was rejected.

    `refusals_total` counts also those that are not among the refusals; default: there are none.
    """
    shown = Shown(graph, view)
    agents = [shown.agent(c) for c in shown.agents]
    return {
        "agents": agents,
        "shadow_agents": [a for a in agents if a["shadow"]],
        "shadow_note": NO_CATALOG if view.shadows is None else None,
        "components": [shown.component(c) for c in graph.components],
        "dependencies": [shown.dependency(d) for d in graph.dependencies],
        "runs_in": [shown.hosting(h) for h in graph.runs_in],
        "fallbacks": [shown.fallback(f) for f in graph.fallbacks],
        "workflows": [shown.workflow(w) for w in graph.workflows],
        "broken_propagation": shown.broken_hops(graph.broken_hops),
        "window": window_document(graph),
        "environments": _environments(graph),
        "coverage": coverage_document(graph.coverage),
        "total_agents": len(agents),
        "total_components": len(graph.components),
        "total_dependencies": len(graph.dependencies),
        "refusals": [_refusal_document(r) for r in refusals[:MAX_REFUSALS]],
        "refusals_total": len(refusals) if refusals_total is None else refusals_total,
    }


def graph_document(
    graph: Graph, view: View, *, analysis: Mapping[str, Any], part: Graph | None = None
) -> Document:
    """Return nodes, edges and `analysis`, the document of agentguard.analysis.

    `part`: what of the graph is listed (graph.filtering); without it, everything.
    """
    shown, listed = Shown(graph, view), graph if part is None else part
    return {
        "nodes": [shown.node(c) for c in listed.components],
        "edges": [shown.dependency(d) for d in listed.dependencies],
        "runs_in": [shown.hosting(h) for h in listed.runs_in],
        "fallbacks": [shown.fallback(f) for f in listed.fallbacks],
        "workflows": [shown.workflow(w) for w in listed.workflows],
        "broken_propagation": shown.broken_hops(listed.broken_hops),
        "total_agents": len(shown.agents),
        "total_components": len(graph.components),
        "total_dependencies": len(graph.dependencies),
        "shadow_note": NO_CATALOG if view.shadows is None else None,
        "window": window_document(graph),
        "environments": _environments(graph),
        "coverage": coverage_document(graph.coverage),
        "analysis": dict(analysis),
    }


def _environments(graph: Graph) -> list[str]:
    return sorted({c.environment for c in graph.components if c.environment})


def agents_document(graph: Graph, view: View) -> Document:
    """Return all agents, and which of them are shadow agents."""
    shown = Shown(graph, view)
    agents = [shown.agent(c) for c in shown.agents]
    return {
        "agents": agents,
        "shadow_agents": [a for a in agents if a["shadow"]],
        "shadow_note": NO_CATALOG if view.shadows is None else None,
        "total_agents": len(agents),
    }


class Shown:
    """Shows the parts of a graph: holds the lookups that their documents need."""

    def __init__(self, graph: Graph, view: View) -> None:
        self.view = view
        self.agents = [c for c in graph.components if c.kind is ComponentKind.AGENT]
        self._observed = observed_seconds(graph)
        self._names = {h.host: h.host_name for h in graph.runs_in}
        self._names |= {c.id: c.name for c in graph.components}
        self._uses: dict[str, set[DependencyType]] = {}
        for d in graph.dependencies:
            self._uses.setdefault(d.source, set()).add(d.type)

    def component(self, c: Component) -> Document:
        return {
            "id": c.id,
            "kind": c.kind.value,
            "name": c.name,
            "environment": c.environment,
            "server": c.server,
            "identified": c.identified,
            "services": list(c.services),
            "providers": list(c.providers),
            "spellings": list(c.spellings),
            "response_models": list(c.response_models),
            "invocations": c.invocations,
            "errors": c.errors,
            "self_calls": c.self_calls,
            "self_latency_ms": _latency_document(c.self_latency),
            "input_tokens": c.input_tokens,
            "output_tokens": c.output_tokens,
            "cached_input_tokens": c.cached_input_tokens,
            "mean_duration_ms": _mean_duration(c),
            "latency_ms": _latency_document(c.latency),
            "first_seen": timestamp(c.first_seen),
            "last_seen": timestamp(c.last_seen),
            "attributes": dict(sorted(c.attributes.items())),
            "shadow": self._shadow(c),
            "shadow_reason": (self.view.shadows or {}).get(c.id),
            "declared": dict(self.view.declared[c.id]) if c.id in self.view.declared else None,
        } | self._grounds(c.basis, c.evidence)

    def agent(self, c: Component) -> Document:
        metadata = {
            "duration_ms": _mean_duration(c),
            "status": _status(c),
            "attributes": dict(sorted(c.attributes.items())),
        }
        return {
            "id": c.id,
            "name": c.name,
            "type": self._agent_type(c),
            "metadata": metadata,
        } | self.component(c)

    def node(self, c: Component) -> Document:
        node = {
            "id": c.id,
            "label": c.name,
            "type": c.kind.value,
            "agent_type": self._agent_type(c) if c.kind is ComponentKind.AGENT else None,
        }
        return node | self.component(c)

    def dependency(self, d: Dependency) -> Document:
        return {
            "source": d.source,
            "target": d.target,
            "type": d.type.value,
            "source_name": self._names.get(d.source),
            "target_name": self._names.get(d.target),
            "via": d.via,
            "calls": d.calls,
            "errors": d.errors,
            "absorbed": d.absorbed,
            "propagated": d.propagated,
            "waited_calls": d.waited_calls,
            "passed_control_calls": d.passed_control_calls,
            "retries": d.retries,
            "source_runs": d.source_runs,
            "latency_ms": _latency_document(d.latency),
            "client_latency_ms": _latency_document(d.client_latency),
            "queue_delay_ms": _latency_document(d.queue_delay),
            "input_tokens": d.input_tokens,
            "output_tokens": d.output_tokens,
            "cached_input_tokens": d.cached_input_tokens,
            "cost_usd": d.cost_usd,
            "inferred_calls": d.inferred,
            "first_seen": timestamp(d.first_seen),
            "last_seen": timestamp(d.last_seen),
        } | self._grounds(d.basis, d.evidence)

    def hosting(self, h: Hosting) -> Document:
        return {
            "component": h.component,
            "host": h.host,
            "component_name": self._names.get(h.component),
            "host_name": h.host_name,
            "host_kind": h.host_kind.value,
            "environment": h.environment,
            "runs": h.runs,
        } | self._grounds(h.basis, h.evidence)

    def fallback(self, f: Fallback) -> Document:
        return {
            "owner": f.owner,
            "primary": f.primary,
            "secondary": f.secondary,
            "count": f.count,
            "rescued": f.rescued,
            "fallback_mode": f.fallback_mode.value,
            "evidence": self._evidence(f.evidence),
        }

    def workflow(self, w: Workflow) -> Document:
        """Return a workflow.

        `entry` is the id of the first component that does the work, `root` the name of the root
        spans, `root_component` the id of the component that starts the runs.
        """
        return {
            "id": w.id,
            "name": w.name,
            "entry": w.entry,
            "root": w.root or None,
            "root_component": w.root_component,
            "runs": w.runs,
            "failed": w.failed,
            "stopped_by_guardrail": w.stopped_by_guardrail,
            "waiting_for_person": w.waiting_for_person,
            "nested_runs": w.nested,
            "runs_per_hour": per_hour(w.runs, self._observed),
            "runs_per_hour_reason": (
                too_short(self._observed) if per_hour(w.runs, self._observed) is None else None
            ),
            "first_seen": timestamp(w.first_seen),
            "last_seen": timestamp(w.last_seen),
            "evidence": self._evidence(w.evidence),
        }

    def broken_hops(self, hops: Iterable[BrokenHop]) -> list[Document]:
        shown = partial(evidence_document, links=self.view.links)
        return [broken_hop_document(hop, shown) for hop in hops]

    def _agent_type(self, c: Component) -> str:
        uses = self._uses.get(c.id, set())
        if DependencyType.CALLS_MODEL in uses:
            return "llm_agent"
        return "api_agent" if uses & _REACHES_OUT else "generic_agent"

    def _shadow(self, c: Component) -> bool | None:
        return None if self.view.shadows is None else c.id in self.view.shadows

    def _grounds(self, basis: Basis, evidence: Sequence[Evidence]) -> Document:
        return {
            "confidence": basis.confidence,
            "basis": {"rule": basis.rule, "convention": basis.convention},
            "why": _why(basis, evidence),
            "evidence": self._evidence(evidence),
        }

    def _evidence(self, evidence: Iterable[Evidence]) -> list[Document]:
        return [evidence_document(e, self.view.links) for e in evidence]


_REACHES_OUT = frozenset(
    {
        DependencyType.USES_TOOL,
        DependencyType.CALLS_MCP,
        DependencyType.USES_DATASTORE,
        DependencyType.HTTP,
        DependencyType.MESSAGING,
    }
)
"""An agent without a model is an api_agent if it has one of these; delegation is not enough."""


def _why(basis: Basis, evidence: Sequence[Evidence]) -> str:
    """Explain the claim in one sentence: rule, convention, observations, and where to look."""
    seen = f"{basis.observations} observation{'' if basis.observations == 1 else 's'}"
    places = "; ".join(f"trace {e.trace_id} span {e.span_id} ({e.reason.value})" for e in evidence)
    including = f", including {places}" if places else ""
    return f"Rule {basis.rule!r} ({basis.convention}): {seen}{including}."


def _mean_duration(c: Component) -> float | None:
    return milliseconds(c.duration / c.timed) if c.timed else None


def _status(c: Component) -> str:
    """Return ok, degraded (some invocations failed), failed (all did) or unknown (none seen)."""
    if not c.invocations:
        return "unknown"
    if not c.errors:
        return "ok"
    return "failed" if c.errors >= c.invocations else "degraded"


def _latency_document(histogram: Iterable[tuple[int, int]]) -> Document | None:
    rows = list(histogram)
    found = {name: quantile(rows, q) for name, q in _QUANTILES}
    values = {name: milliseconds(ns) for name, ns in found.items() if ns is not None}
    return values or None


def _refusal_document(refusal: Refusal) -> Document:
    return asdict(refusal)
