"""The JSON document of a playbook."""

from __future__ import annotations

from typing import Any

from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.playbooks.model import Playbook, PlaybookStep, Situation


def playbook_document(playbook: Playbook, *, links: TraceLinks = NO_LINKS) -> dict[str, Any]:
    """Return the document of `POST /api/playbook`.

    `estimated_recovery_time` is null, with a reason.
    """
    return {
        "incident": _incident(playbook.situation),
        "estimated_recovery_time": None,
        "estimated_recovery_time_reason": playbook.recovery_time_reason,
        "steps": [_step(s, links) for s in playbook.steps],
        "generator": playbook.generator,
    }


def _incident(s: Situation) -> dict[str, Any]:
    return {
        "title": s.title,
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
        "title": s.title,
        "phase": s.phase.value,
        "timeframe": s.phase.timeframe,
        "actions": list(s.actions),
        "verifications": list(s.verifications),
        "rollback": list(s.rollback),
        "owner": s.owner,
        "components": list(s.components),
        "evidence": [evidence_document(e, links) for e in s.evidence],
    }
