"""The JSON document of a simulation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.graph.rates import per_hour, too_short
from agentguard.simulation.model import (
    NO_RECOVERY_TIME,
    SHARE_OF,
    Assumptions,
    BlastRadius,
    ImpactedComponent,
    ImpactedWorkflow,
    Precedent,
    SimulationResult,
    Step,
)


def simulation_document(
    result: SimulationResult, *, links: TraceLinks = NO_LINKS
) -> dict[str, Any]:
    """Return the document of `POST /api/simulate` and `agentguard simulate --format json`.

    `impacted_count` counts the components of all kinds in `impacted_components`; `impacted_agents`
    lists the ids of agents only.
    """
    return {
        "failed_agent": result.scenario.failed[0],
        "failed_components": list(result.scenario.failed),
        "impacted_agents": [c.id for c in result.components if c.kind is ComponentKind.AGENT],
        "impacted_count": len(result.components),
        "impacted_components": [_component(c, links) for c in result.components],
        "impacted_workflows": [
            _workflow(w, result.observed_seconds, links) for w in result.workflows
        ],
        "blast_radius_score": round(result.blast_radius.score, 3),
        "blast_radius": _blast_radius(result.blast_radius),
        "impact_estimate": _estimate(result),
        "degraded": [{"id": d.id, "lost": list(d.lost)} for d in result.degraded],
        "structural": {
            "components": list(result.structural_components),
            "workflows": list(result.structural_workflows),
        },
        "share_of": SHARE_OF,
        "method": result.method.value,
        "assumptions": None if result.assumptions is None else _assumptions(result.assumptions),
        "inputs": _inputs(result),
    }


def _component(c: ImpactedComponent, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": c.id,
        "name": c.name,
        "kind": c.kind.value,
        "invocations": c.invocations,
        "invocations_hit": c.invocations_hit,
        "path": [_step(s, links) for s in c.path],
    }


def _workflow(w: ImpactedWorkflow, observed: float | None, links: TraceLinks) -> dict[str, Any]:
    rate = per_hour(w.runs_lost, observed)
    interval = (
        None
        if w.interval is None
        else {"low": w.interval.low, "high": w.interval.high, "method": w.interval.method}
    )
    return {
        "id": w.id,
        "name": w.name,
        "entry": w.entry,
        "root": w.root or None,
        "root_component": w.root_component,
        "runs_seen": w.runs_seen,
        "runs_failed": w.runs_failed,
        "runs_lost": w.runs_lost,
        "share_lost": w.share,
        "range": interval,
        "runs_lost_per_hour": rate,
        "runs_lost_per_hour_reason": too_short(observed) if rate is None else None,
        "value_lost": w.value_lost,
        "path": [_step(s, links) for s in w.path],
    }


def _step(step: Step, links: TraceLinks) -> dict[str, Any]:
    return {
        "source": step.source,
        "target": step.target,
        "evidence": [evidence_document(e, links) for e in step.evidence],
    }


def _blast_radius(b: BlastRadius) -> dict[str, Any]:
    return {
        "score": b.score,
        "formula": (
            "10 × (0.6 × runs_share + 0.4 × components_share)"
            if b.runs_share is not None
            else "10 × components_share"
        ),
        "runs_lost": b.runs_lost,
        "runs_seen": b.runs_seen,
        "runs_share": b.runs_share,
        "components_hit": b.components_hit,
        "components": b.components,
        "components_share": b.components_share,
    }


def _estimate(result: SimulationResult) -> dict[str, Any]:
    money = result.money
    return {
        "severity": result.severity.value,
        "severity_reason": result.severity_reason,
        "revenue_risk": money.amount,
        "revenue_risk_reason": money.reason,
        "revenue_risk_per_hour": money.per_hour,
        "revenue_risk_per_hour_reason": money.per_hour_reason,
        "currency": money.currency,
        "workflow_count": len(result.workflows),
        "workflows_seen": result.workflows_seen,
        "estimated_recovery_time": None,
        "estimated_recovery_time_reason": NO_RECOVERY_TIME,
    }


def _assumptions(a: Assumptions) -> dict[str, Any]:
    return {
        "calls_failed": a.calls_failed,
        "rescued_by_history": a.rescued_by_history,
        "absorbed_by_history": a.absorbed_by_history,
        "absorption_unknown": a.absorption_unknown,
        "precedents": [_precedent(p) for p in a.precedents],
        "note": " ".join(_notes(a)) or None,
    }


def _precedent(p: Precedent) -> dict[str, Any]:
    return {
        "source": p.source,
        "target": p.target,
        "absorbed": p.absorbed,
        "seen": p.seen,
        "calls": p.calls,
    }


def _notes(a: Assumptions) -> Iterator[str]:
    if a.precedents:
        p = a.precedents[0]
        more = (
            f", and in the same way on {len(a.precedents) - 1} other dependencies"
            if len(a.precedents) > 1
            else ""
        )
        seen = f"{p.absorbed} of {p.seen} recorded failures were absorbed"
        yield (
            f"{p.calls} failing calls {p.source} → {p.target} were assumed to be absorbed because"
            f" {seen}{more}."
        )
    if a.absorption_unknown:
        yield (
            "No unmitigated failure was recorded on the dependencies of"
            f" {a.absorption_unknown} failing calls; they are counted as not absorbed (worst case)."
        )


def _inputs(result: SimulationResult) -> dict[str, Any]:
    t = result.thresholds
    return {
        "graph_version": result.graph_version,
        "seed": result.seed,
        "thresholds": {"critical": t.critical, "high": t.high, "medium": t.medium},
        "observed_seconds": result.observed_seconds,
    }
