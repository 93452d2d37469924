"""The JSON document of an analysis."""

from __future__ import annotations

from typing import Any

from agentguard.analysis.model import (
    Analysis,
    Centrality,
    Cycle,
    Risk,
    RiskFactor,
    Spof,
    SpofWorkflow,
)
from agentguard.analysis.run_loops import RunLoop
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.simulation.model import SHARE_OF


def analysis_document(analysis: Analysis, *, links: TraceLinks = NO_LINKS) -> dict[str, Any]:
    """Return the findings: `analysis` of `GET /api/graph`, and what `agentguard analyze` prints.

    `spof_agents`, `circular_dependencies` (cycles with an agent), `risk_scores` (of agents) and
    `overall_risk` (the highest of these); `spof_components`, `circular_components` and
    `component_risk_scores` for other kinds; `spofs`, `cycles`, `risks` and `centrality` in detail.
    """
    agents = {r.component for r in analysis.risks if r.kind is ComponentKind.AGENT}
    with_agents = [c for c in analysis.cycles if agents.intersection(c.witness)]
    return {
        "spof_agents": [s.component for s in analysis.spofs if s.kind is ComponentKind.AGENT],
        "spof_components": [
            s.component for s in analysis.spofs if s.kind is not ComponentKind.AGENT
        ],
        "circular_dependencies": [list(c.witness) for c in with_agents],
        "circular_components": [list(c.witness) for c in analysis.cycles if c not in with_agents],
        "risk_scores": {
            r.component: round(r.score, 3) for r in analysis.risks if r.component in agents
        },
        "component_risk_scores": {
            r.component: round(r.score, 3) for r in analysis.risks if r.component not in agents
        },
        "overall_risk": round(analysis.overall_risk, 3),
        "risk_version": analysis.risk_version,
        "risk_note": analysis.risk_note,
        "spofs": [_spof(s, links) for s in analysis.spofs],
        "cycles": [_cycle(c, links) for c in analysis.cycles],
        "simple_cycles": {
            "cycles": [list(c) for c in analysis.simple_cycles],
            "truncated": analysis.cycles_truncated,
        },
        "run_loops": [_run_loop(r, links) for r in analysis.run_loops],
        "risks": [_risk(r) for r in analysis.risks],
        "centrality": _centralities(analysis),
        "share_of": SHARE_OF,
        "method": analysis.method.value,
        "seed": analysis.seed,
    }


def _spof(s: Spof, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": s.component,
        "name": s.name,
        "kind": s.kind.value,
        "workflows": [_spof_workflow(w) for w in s.workflows],
        "evidence": [evidence_document(e, links) for e in s.evidence],
    }


def _spof_workflow(w: SpofWorkflow) -> dict[str, Any]:
    return {
        "id": w.workflow,
        "name": w.name,
        "entry": w.entry,
        "root": w.root or None,
        "is_entry": w.is_entry,
        "structural": w.structural,
        "runs_seen": w.runs_seen,
        "runs_failed": w.runs_failed,
        "runs_lost": w.runs_lost,
        "share_lost": w.share,
    }


def _cycle(c: Cycle, links: TraceLinks) -> dict[str, Any]:
    evidence = [evidence_document(e, links) for e in c.evidence]
    return {"components": list(c.components), "witness": list(c.witness), "evidence": evidence}


def _run_loop(r: RunLoop, links: TraceLinks) -> dict[str, Any]:
    return {
        "kind": r.kind.value,
        "components": list(r.components),
        "runs": r.runs,
        "times": r.times,
        "run_id": r.run_id,
        "input_tokens": None if r.input_tokens is None else list(r.input_tokens),
        "evidence": [evidence_document(e, links) for e in r.evidence],
    }


def _risk(r: Risk) -> dict[str, Any]:
    return {
        "id": r.component,
        "name": r.name,
        "kind": r.kind.value,
        "score": round(r.score, 3),
        "factors": list(map(_factor, r.factors)),
    }


def _factor(f: RiskFactor) -> dict[str, Any]:
    return {
        "name": f.name,
        "value": round(f.value, 6),
        "weight": round(f.weight, 6),
        "contribution": round(f.contribution, 3),
        "reason": f.reason,
    }


def _centralities(analysis: Analysis) -> dict[str, Any]:
    return {
        "betweenness": {
            "exact": analysis.betweenness_exact,
            "sources": analysis.betweenness_sources,
        },
        "components": [_centrality(c) for c in analysis.centrality],
    }


def _centrality(c: Centrality) -> dict[str, Any]:
    return {"id": c.component, "betweenness": c.betweenness, "pagerank": c.pagerank}
