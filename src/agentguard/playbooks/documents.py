"""The JSON document of a playbook."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.kernel.clock import timestamp
from agentguard.playbooks.model import Playbook, PlaybookStep, Situation
from agentguard.playbooks.refining import Refined


def playbook_document(
    playbook: Playbook, *, links: TraceLinks = NO_LINKS, refined: Refined | None = None
) -> dict[str, Any]:
    """Return the document of `POST /api/playbook`.

    `estimated_recovery_time` is null, with a reason, unless past recoveries are known.
    """
    time = playbook.recovery_time
    return {
        "incident": _incident(playbook.situation),
        "condition": playbook.condition,
        "estimated_recovery_time": None if time is None else asdict(time),
        "estimated_recovery_time_reason": playbook.recovery_time_reason,
        "steps": [_step(s, links) for s in playbook.steps],
        "unknown": playbook.unknown,
        "generator": playbook.generator,
        "refinement": None if refined is None else _refinement(refined, links),
    }


def _refinement(refined: Refined, links: TraceLinks) -> dict[str, Any]:
    """Return how the language model was asked, and the version without it."""
    r, before = refined.refinement, refined.deterministic
    return {
        "state": r.state.value,
        "reason": r.reason,
        "problems": list(r.problems),
        "model": r.model,
        "input_tokens": r.usage.input_tokens,
        "output_tokens": r.usage.output_tokens,
        "cost": r.cost,
        "latency_ms": r.latency_ms,
        "questions": r.attempts,
        "deterministic": {
            "generator": before.generator,
            "summary": before.situation.summary,
            "steps": [_step(s, links) for s in before.steps],
        },
    }


def _incident(s: Situation) -> dict[str, Any]:
    return {
        "title": s.title,
        "lost": s.lost,
        "started_at": timestamp(s.started_at or 0),
        "summary": s.summary,
        "failed_components": list(s.failed),
        "severity": s.severity.value,
        "blast_radius_score": round(s.blast_radius_score, 3),
        "impacted_components": list(s.impacted_components),
        "impacted_workflows": list(s.impacted_workflows),
        "graph_version": s.graph_version,
    }


def _step(s: PlaybookStep, links: TraceLinks) -> dict[str, Any]:
    return {
        "id": s.id,
        "action": s.action.value,
        "title": s.title,
        "phase": s.phase.value,
        "timeframe": s.phase.timeframe,
        "actions": list(s.actions),
        "verifications": list(s.verifications),
        "rollback": list(s.rollback),
        "details": list(s.details),
        "owner": s.owner,
        "runbooks": list(s.runbooks),
        "components": list(s.components),
        "evidence": [evidence_document(e, links) for e in s.evidence],
        "past": None if s.past is None else asdict(s.past),
    }
