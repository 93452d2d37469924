"""The JSON document of a simulation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.graph.rates import per_hour, too_short
from agentguard.kernel.clock import timestamp
from agentguard.simulation.answer import Answer, answer
from agentguard.simulation.model import (
    NO_RECOVERY_TIME,
    SHARE_OF,
    Assumptions,
    BlastRadius,
    GameDay,
    Hosted,
    ImpactedComponent,
    ImpactedWorkflow,
    Precedent,
    RescuePrecedent,
    Scenario,
    SimulationResult,
    Step,
)
from agentguard.simulation.monte_carlo_documents import monte_carlo_document

NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NAMED = 3


def simulation_document(
    result: SimulationResult,
    *,
    names: Mapping[str, str] = NO_NAMES,
    groups: Sequence[str] = (),
    links: TraceLinks = NO_LINKS,
) -> dict[str, Any]:
    """Return the document of `POST /api/simulate` and `agentguard simulate --format json`.

    `names` maps ids to what sentences call them; `groups` are those that fail as a whole.
    `impacted_count` counts the components of all kinds in `impacted_components`; `impacted_agents`
    lists the ids of agents only.
    """
    return {
        **_answer(answer(result, names, groups)),
        **_scenario(result.scenario),
        "impacted_agents": [c.id for c in result.components if c.kind is ComponentKind.AGENT],
        "impacted_count": len(result.components),
        "impacted_components": [_component(c, links) for c in result.components],
        "impacted_workflows": [
            _workflow(w, result.observed_seconds, links) for w in result.workflows
        ],
        "spared_workflows": [_workflow(w, result.observed_seconds, links) for w in result.spared],
        "blast_radius_score": round(result.blast_radius.score, 3),
        "blast_radius": _blast_radius(result.blast_radius),
        "impact_estimate": _estimate(result),
        **_structural(result),
        "cases": _cases(result),
        "game_days": [game_day_document(g) for g in result.game_days],
        "share_of": SHARE_OF,
        "method": result.method.value,
        "assumptions": None if result.assumptions is None else _assumptions(result.assumptions),
        "monte_carlo": monte_carlo_document(result),
        "inputs": _inputs(result),
    }


def _structural(result: SimulationResult) -> dict[str, Any]:
    """Return what the structural rules say, whichever the method."""
    return {
        "degraded": [{"id": d.id, "lost": list(d.lost)} for d in result.degraded],
        "structural": {
            "components": list(result.structural_components),
            "workflows": list(result.structural_workflows),
        },
    }


def _answer(said: Answer) -> dict[str, Any]:
    return {
        "answer": said.sentence,
        "decided_by": list(said.decided_by),
        "undecided": said.undecided,
    }


def _component(c: ImpactedComponent, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": c.id,
        "name": c.name,
        "kind": c.kind.value,
        "invocations": c.invocations,
        "invocations_hit": c.invocations_hit,
        "probability": c.probability,
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
        "runs_lost_best": w.best,
        "runs_lost_worst": w.worst,
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
        "severity_workflow": result.worst_workflow,
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


def _scenario(scenario: Scenario) -> dict[str, Any]:
    return {
        "failed_agent": scenario.failed[0],
        "failed_components": list(scenario.failed),
        "hosted_components": [_hosted(h) for h in scenario.hosted],
        "partly_failed_components": [_hosted(h) for h in scenario.partly],
    }


def _hosted(hosted: Hosted) -> dict[str, Any]:
    return {"id": hosted.component, "host": hosted.host}


def _cases(result: SimulationResult) -> dict[str, Any]:
    """Return the best and the worst case; the worst is never less than the result."""
    worst, best = result.worst_runs_lost, result.best_runs_lost
    components = {c.id for c in result.components} | set(result.structural_components)
    workflows = {w.id for w in result.workflows} | set(result.structural_workflows)
    return {
        "best": {"runs_lost": best},
        "worst": {
            "runs_lost": worst,
            "components": len(components),
            "workflows": len(workflows),
        },
    }


def game_day_document(g: GameDay) -> dict[str, Any]:
    """Return the document of a failure to try."""
    return {
        "source": g.source,
        "target": g.target,
        "calls": g.calls,
        "survives": g.survives,
        "runs_lost_if_survived": g.runs_lost_if_survived,
        "runs_lost_if_not": g.runs_lost_if_not,
        "narrows": g.narrows,
        "standby": g.standby,
    }


def _assumptions(a: Assumptions) -> dict[str, Any]:
    return {
        "calls_failed": a.calls_failed,
        "rescued_by_history": a.rescued_by_history,
        "absorbed_by_history": a.absorbed_by_history,
        "absorption_unknown": a.absorption_unknown,
        "precedents": [_precedent(p) for p in a.precedents],
        "rescues": [_rescue(p) for p in a.rescues],
        "without_calls": [{"source": s, "target": t} for s, t in a.without_calls],
        "note": " ".join(_notes(a)) or None,
    }


def _precedent(p: Precedent) -> dict[str, Any]:
    return {
        "source": p.source,
        "target": p.target,
        "absorbed": p.absorbed,
        "seen": p.seen,
        "calls": p.calls,
        "survives": p.survives,
        "declared": p.declared,
        "before_window": p.before,
        "last_before_window": timestamp(p.last_before),
    }


def _rescue(p: RescuePrecedent) -> dict[str, Any]:
    return {
        "owner": p.owner,
        "primary": p.primary,
        "secondary": p.secondary,
        "rescued": p.rescued,
        "tried": p.tried,
        "calls": p.calls,
    }


def _notes(a: Assumptions) -> Iterator[str]:
    yield from (_rescue_note(p) for p in a.rescues[:1])
    absorbed = [p for p in a.precedents if p.absorbed or p.declared]
    if absorbed:
        p = absorbed[0]
        why = (
            "the catalog says so"
            if p.declared
            else f"{p.absorbed:g} of {p.seen:g} recorded failures were absorbed"
        )
        more = (
            f", and in the same way on {len(absorbed) - 1} other dependencies"
            if len(absorbed) > 1
            else ""
        )
        yield (
            f"{p.calls} failing calls {p.source} → {p.target} were assumed to be absorbed with"
            f" probability {p.survives:.0%} because {why}{more}."
        )
    if a.absorption_unknown:
        yield (
            "No unmitigated failure was recorded on the dependencies of"
            f" {a.absorption_unknown} failing calls; whether they are absorbed is estimated from"
            " the kind of what is called."
        )
    if a.without_calls:
        named = ", ".join(f"{source} → {target}" for source, target in a.without_calls[:_NAMED])
        more = " and others" if len(a.without_calls) > _NAMED else ""
        yield (
            f"No calls are recorded of {named}{more};"
            " every call of the caller is taken to need them, as in the structural method."
        )


def _rescue_note(p: RescuePrecedent) -> str:
    return (
        f"{p.secondary} takes over an expected {p.calls:.0f} calls of {p.owner} to {p.primary}"
        f" because {p.rescued} of {p.tried} earlier attempts worked."
    )


def _inputs(result: SimulationResult) -> dict[str, Any]:
    t = result.thresholds
    return {
        "graph_version": result.graph_version,
        "seed": result.seed,
        "modes": dict(result.modes),
        "thresholds": {"critical": t.critical, "high": t.high, "medium": t.medium},
        "observed_seconds": result.observed_seconds,
    }
