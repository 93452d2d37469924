"""How incidents begin: from a report, a stored simulation or a detected condition; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.export.sanitizing import shorten
from agentguard.graph.model import Component, Graph
from agentguard.incidents.errors import InvalidIncidentError
from agentguard.incidents.model import (
    Affected,
    Change,
    DetectedCondition,
    Entered,
    EventKind,
    Impact,
    Incident,
    Links,
    Source,
    WorkflowImpact,
)
from agentguard.incidents.states import State
from agentguard.incidents.texts import LONGEST_TITLE
from agentguard.simulation.severities import Severity
from agentguard.simulation.storage.model import StoredSimulation

SIMULATED = "simulated"
REPORTED = "reported"
"""Kinds of incidents that no detected condition names."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Who opened an incident, when, and under which id."""

    id: str
    at: int
    """ns since the epoch."""
    by: str
    """Id of a principal."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What is affected."""

    components: tuple[Affected, ...] = ()
    workflows: tuple[Affected, ...] = ()


def open_reported(
    begin: Beginning,
    *,
    title: str,
    severity: Severity,
    hit: Hit,
    links: Links,
    owner: str | None = None,
    note: str | None = None,
) -> Change:
    """Return an incident as somebody reported it. Raises InvalidIncidentError."""
    if not hit.components and not hit.workflows:
        raise InvalidIncidentError(
            "An incident affects at least one component or workflow. Name what is hit; without any"
            " graph, any name will do."
        )
    incident = Incident(
        id=begin.id,
        version=1,
        title=title,
        kind=REPORTED,
        source=Source.REQUEST,
        severity=severity,
        components=hit.components,
        workflows=hit.workflows,
        states=_opened(begin),
        changed_at=begin.at,
        owner=owner,
        links=links,
    )
    return _opening(incident, note=note)


def open_simulated(
    begin: Beginning,
    stored: StoredSimulation,
    graph: Graph | None,
    *,
    title: str | None = None,
    owner: str | None = None,
    note: str | None = None,
) -> Change:
    """Return an incident with the severity, impact and affected parts of a stored simulation.

    `graph` is the one that was simulated; None if it is not kept, then what fails has no names.
    """
    document = stored.document
    components = components_of(document, graph)
    incident = Incident(
        id=begin.id,
        version=1,
        title=title or _title_of(components[: len(document["failed_components"])]),
        kind=SIMULATED,
        source=Source.SIMULATION,
        severity=Severity(document["impact_estimate"]["severity"]),
        components=components,
        workflows=workflows_of(document),
        states=_opened(begin),
        changed_at=begin.at,
        owner=owner,
        impact=impact_of(document),
        links=links_of(stored),
    )
    return _opening(incident, note=note)


def open_detected(begin: Beginning, condition: DetectedCondition) -> Change:
    """Return the incident of a condition that detection found. Raises InvalidIncidentError."""
    if not condition.components and not condition.workflows:
        raise InvalidIncidentError("A detected condition affects a component or a workflow.")
    incident = Incident(
        id=begin.id,
        version=1,
        title=shorten(condition.title, LONGEST_TITLE),
        kind=condition.kind,
        source=Source.CONDITION,
        severity=condition.severity,
        components=tuple(condition.components),
        workflows=tuple(condition.workflows),
        states=_opened(begin),
        changed_at=begin.at,
        conditions=(condition.key,),
        links=Links(condition.dataset, condition.graph_version),
    )
    return _opening(incident, condition=condition.key, facts=dict(condition.facts))


def impact_of(document: Mapping[str, Any]) -> Impact:
    """Return what a simulation's document predicts."""
    radius = document["blast_radius"]
    return Impact(
        answer=document["answer"],
        severity_reason=document["impact_estimate"]["severity_reason"],
        blast_radius_score=document["blast_radius_score"],
        runs_seen=radius["runs_seen"],
        runs_lost=radius["runs_lost"],
        workflows=tuple(
            WorkflowImpact(w["id"], w["name"], w["runs_seen"], w["runs_lost"], w["share_lost"])
            for w in document["impacted_workflows"]
        ),
    )


def links_of(stored: StoredSimulation) -> Links:
    """Return the links to a simulation and its graph."""
    record = stored.record
    return Links(record.dataset, record.graph_version, record.id)


def components_of(document: Mapping[str, Any], graph: Graph | None) -> tuple[Affected, ...]:
    """Return what fails, what fails with its host, and what is hit; each once, in this order."""
    failing = [*document["failed_components"], *(h["id"] for h in document["hosted_components"])]
    known = {c.id: _affected(c) for c in (graph.components if graph else ())}
    hit = [Affected(c["id"], c["name"], c["kind"]) for c in document["impacted_components"]]
    found = [*(known.get(id_, Affected(id_, id_)) for id_ in failing), *hit]
    return tuple({each.id: each for each in found}.values())


def workflows_of(document: Mapping[str, Any]) -> tuple[Affected, ...]:
    """Return the workflows that lose runs."""
    return tuple(
        Affected(w["id"], w["name"], ComponentKind.WORKFLOW.value)
        for w in document["impacted_workflows"]
    )


def _affected(component: Component) -> Affected:
    return Affected(component.id, component.name, component.kind.value)


def _title_of(failing: Sequence[Affected]) -> str:
    names = [each.name for each in failing]
    listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return shorten(f"Simulated failure of {listed}", LONGEST_TITLE)


def _opened(begin: Beginning) -> tuple[Entered, ...]:
    return (Entered(State.OPEN, begin.at, begin.by),)


def _opening(incident: Incident, **told: Any) -> Change:
    details = {
        "source": incident.source.value,
        "severity": incident.severity.value,
        "simulation": incident.links.simulation,
        "owner": incident.owner,
        **told,
    }
    known = {name: value for name, value in details.items() if value is not None}
    return Change(incident, EventKind.OPENED, known)
