"""The JSON documents about incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agentguard.incidents.changes import NEXT
from agentguard.incidents.feedback import effectiveness
from agentguard.incidents.measuring import counted
from agentguard.incidents.model import (
    Affected,
    Calls,
    Event,
    Feedback,
    Impact,
    Incident,
    Links,
    MeasuredRecovery,
)
from agentguard.incidents.proofs import IncidentProof
from agentguard.incidents.states import State
from agentguard.incidents.store import IncidentCursor
from agentguard.incidents.summary import summary_of
from agentguard.kernel.clock import timestamp

Document: TypeAlias = dict[str, Any]

NO_SIMULATION = (
    "No simulation is linked, so what is lost is unknown. Simulate the failure, then link the"
    " simulation."
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of an incident's surroundings when it is shown."""

    present: frozenset[str] | None = None
    """Ids of the components and workflows in the newest graph; None: there is no graph."""
    graph_version_kept: bool = False
    simulation_kept: bool = False
    proof: IncidentProof = field(default_factory=IncidentProof)


def record_document(incident: Incident) -> Document:
    """Return what lists show of an incident."""
    begun = (*incident.components, *incident.workflows)[0]
    return {
        "id": incident.id,
        "version": incident.version,
        "title": incident.title,
        "kind": incident.kind,
        "source": incident.source.value,
        "state": incident.state.value,
        "severity": incident.severity.value,
        "owner": incident.owner,
        "affected_first": _affected(begun),
        "components_affected": len(incident.components),
        "workflows_affected": len(incident.workflows),
        "blast_radius_score": None
        if incident.impact is None
        else incident.impact.blast_radius_score,
        "opened_by": incident.opened_by,
        "opened_at": timestamp(incident.opened_at),
        "acknowledged_at": _time_of(incident, State.ACKNOWLEDGED),
        "mitigated_at": _time_of(incident, State.MITIGATED),
        "resolved_at": _time_of(incident, State.RESOLVED),
        "reviewed_at": _time_of(incident, State.REVIEWED),
        "changed_at": timestamp(incident.changed_at),
        "merged_into": incident.merged_into,
    }


def incident_document(incident: Incident, around: Surroundings) -> Document:
    """Return the document of `GET /api/incidents/{id}`."""
    next_states = () if incident.merged_into else NEXT[incident.state]
    summary = summary_of(incident)
    return {
        **record_document(incident),
        "summary": summary.text,
        "summary_model": summary.model,
        "next_states": [state.value for state in next_states],
        "components": [_placed(each, around.present) for each in incident.components],
        "workflows": [_placed(each, around.present) for each in incident.workflows],
        "impact": None if incident.impact is None else _impact(incident.impact),
        "impact_reason": NO_SIMULATION if incident.impact is None else None,
        "conditions": list(incident.conditions),
        "duplicates": list(incident.duplicates),
        "links": _links(incident.links, around),
        "playbook": _playbook(incident),
        "feedback": [_feedback(each) for each in incident.feedback],
        "effectiveness_score": effectiveness(incident),
        "measured_recovery": None if incident.measured is None else _measured(incident.measured),
        **around.proof.document(),
    }


def page_document(found: Sequence[Incident], limit: int) -> Document:
    """Return a page; `next` is the value of `before` for the next one, None after the last."""
    last = found[-1] if len(found) == limit else None
    return {
        "incidents": [record_document(incident) for incident in found],
        "next": None if last is None else str(IncidentCursor(last.opened_at, last.id)),
    }


def events_document(incident: Incident, found: Sequence[Event], limit: int) -> Document:
    """Return a page of a timeline; `next` is the value of `after` for the next one."""
    more = len(found) == limit and found[-1].number < incident.version
    return {
        "incident": incident.id,
        "version": incident.version,
        "events": [event_document(event) for event in found],
        "next": found[-1].number if more else None,
    }


def event_document(event: Event) -> Document:
    """Return one line of a timeline; `note` is what a person wrote."""
    details = dict(event.details)
    note = details.pop("note", None)
    return {
        "number": event.number,
        "time": timestamp(event.time),
        "actor": {"id": event.actor, "kind": event.actor_kind},
        "kind": event.kind.value,
        "note": note,
        "details": details,
    }


def _time_of(incident: Incident, state: State) -> str | None:
    entered = incident.last_entered(state)
    return None if entered is None else timestamp(entered.at)


def _affected(each: Affected) -> Document:
    return {"id": each.id, "name": each.name, "kind": each.kind}


def _placed(each: Affected, present: frozenset[str] | None) -> Document:
    known = None if present is None else each.id in present
    return {**_affected(each), "in_newest_graph": known}


def _impact(impact: Impact) -> Document:
    return {
        "answer": impact.answer,
        "severity_reason": impact.severity_reason,
        "blast_radius_score": impact.blast_radius_score,
        "runs_seen": impact.runs_seen,
        "runs_lost": impact.runs_lost,
        "workflows": [
            {
                "id": w.id,
                "name": w.name,
                "runs_seen": w.runs_seen,
                "runs_lost": w.runs_lost,
                "share_lost": w.share_lost,
            }
            for w in impact.workflows
        ],
    }


def _playbook(incident: Incident) -> Mapping[str, Any] | None:
    """Return the linked playbook; steps that an earlier version wrote get what they lack."""
    found = incident.playbook
    if found is None:
        return None
    return {**found, "steps": [_step(step) for step in found.get("steps", ())]}


def _step(step: Mapping[str, Any]) -> Document:
    past = step.get("past")
    return {**step, "past": None if past is None else {"fell": 0, "measured": 0, **past}}


def _feedback(given: Feedback) -> Document:
    return {
        "step": given.step,
        "helped": given.helped.value,
        "by": given.by,
        "at": timestamp(given.at),
    }


def _measured(measured: MeasuredRecovery) -> Document:
    return {
        "components": list(measured.components),
        "before": _counted(measured.before),
        "after": _counted(measured.after),
        "fell": measured.fell,
    }


def _counted(calls: Calls) -> Document:
    return {**counted(calls), "error_share": calls.error_share}


def _links(links: Links, around: Surroundings) -> Mapping[str, Any]:
    return {
        "dataset": links.dataset,
        "graph_version": links.graph_version,
        "graph_version_kept": None if links.graph_version is None else around.graph_version_kept,
        "simulation": links.simulation,
        "simulation_kept": None if links.simulation is None else around.simulation_kept,
        "playbook": links.playbook,
    }
