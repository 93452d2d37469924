"""The JSON document of an analysis."""

from __future__ import annotations

from typing import Any

from agentguard.analysis.model import (
    Analysis,
    Centrality,
    Combinations,
    Cycle,
    FalseRedundancy,
    Risk,
    RiskFactor,
    Root,
    Series,
    SharedFate,
    Spof,
    SpofWorkflow,
    WorkflowCutSets,
)
from agentguard.analysis.run_loops import RunLoop
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.simulation.model import SHARE_OF


def analysis_document(analysis: Analysis, *, links: TraceLinks = NO_LINKS) -> dict[str, Any]:
    """Return the findings: `analysis` of `GET /api/graph`, and what `agentguard analyze` prints.

    `spof_agents`, `circular_dependencies` (cycles with an agent), `risk_scores` (of agents) and
    `overall_risk` (the highest of all kinds); `spof_components`, `circular_components` and
    `component_risk_scores` for other kinds; `spofs`, `cycles`, `risks` and `centrality` in detail.
    """
    return {
        **_lists(analysis),
        "overall_risk": round(analysis.overall_risk, 3),
        "risk_version": analysis.risk_version,
        "risk_note": analysis.risk_note,
        "spofs": [_spof(s, links) for s in analysis.spofs],
        "series": [_series(s, links) for s in analysis.series],
        **_combinations(analysis.combinations),
        "dominators": dict(analysis.dominators),
        "articulation_points": list(analysis.articulation_points),
        "cycles": [_cycle(c, links) for c in analysis.cycles],
        "simple_cycles": _simple_cycles(analysis),
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


def _series(s: Series, links: TraceLinks) -> dict[str, Any]:
    return {
        "workflow": s.workflow,
        "name": s.name,
        "entry": s.entry,
        "root": s.root or None,
        "runs_seen": s.runs_seen,
        "runs_failed": s.runs_failed,
        "components": s.components,
        "entries": list(s.entries),
        "roots": [_root(r, links) for r in s.roots],
        "structural_only": list(s.structural_only),
    }


def _lists(analysis: Analysis) -> dict[str, Any]:
    """Return ids and scores, of agents apart from other kinds."""
    agents = {r.component for r in analysis.risks if r.kind is ComponentKind.AGENT}
    with_agents = [c for c in analysis.cycles if agents.intersection(c.witness)]
    spofs = [(s.component, s.kind is ComponentKind.AGENT) for s in analysis.spofs]
    scores = [(r.component, round(r.score, 3)) for r in analysis.risks]
    return {
        "spof_agents": [component for component, agent in spofs if agent],
        "spof_components": [component for component, agent in spofs if not agent],
        "circular_dependencies": [list(c.witness) for c in with_agents],
        "circular_components": [list(c.witness) for c in analysis.cycles if c not in with_agents],
        "risk_scores": {c: score for c, score in scores if c in agents},
        "component_risk_scores": {c: score for c, score in scores if c not in agents},
    }


def _simple_cycles(analysis: Analysis) -> dict[str, Any]:
    cycles = [list(c) for c in analysis.simple_cycles]
    return {"cycles": cycles, "truncated": analysis.cycles_truncated}


def _centralities(analysis: Analysis) -> dict[str, Any]:
    exact, sources = analysis.betweenness_exact, analysis.betweenness_sources
    return {
        "betweenness": {"exact": exact, "sources": sources},
        "components": [_centrality(c) for c in analysis.centrality],
    }


def _combinations(c: Combinations) -> dict[str, Any]:
    return {
        "cut_sets": {"bounded": c.bounded, "workflows": [_cut_sets(w) for w in c.cut_sets]},
        "shared_fates": [_shared_fate(f) for f in c.shared_fates],
        "false_redundancies": [_false_redundancy(f) for f in c.false_redundancies],
    }


def _root(r: Root, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": r.component,
        "name": r.name,
        "kind": r.kind.value,
        "runs_lost": r.runs_lost,
        "share_lost": r.share,
        "spare_saves": r.spare_saves,
        "inherits": list(r.inherits),
        "evidence": [evidence_document(e, links) for e in r.evidence],
    }


def _cut_sets(w: WorkflowCutSets) -> dict[str, Any]:
    return {
        "workflow": w.workflow,
        "name": w.name,
        "bounded": w.bounded,
        "sets": [{"members": list(c.members), "runs_lost": c.runs_lost} for c in w.sets],
    }


def _shared_fate(f: SharedFate) -> dict[str, Any]:
    return {
        "group": f.label,
        "kind": f.kind.value,
        "name": f.name,
        "members": list(f.members),
        "partly": list(f.partly),
        "component": f.component,
        "runs_lost": None if f.runs_lost is None else sum(f.runs_lost.values()),
        "workflows": None if f.runs_lost is None else dict(sorted(f.runs_lost.items())),
    }


def _false_redundancy(f: FalseRedundancy) -> dict[str, Any]:
    return {
        "owner": f.owner,
        "members": list(f.members),
        "shared": list(f.shared),
        "family": f.family,
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
        "score_low": round(r.low, 3),
        "score_high": round(r.high, 3),
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


def _centrality(c: Centrality) -> dict[str, Any]:
    return {"id": c.component, "betweenness": c.betweenness, "pagerank": c.pagerank}
