"""What supports the claims about incidents: the simulation and the playbook that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentguard.evidence.supported import Supported, supported_by_document
from agentguard.incidents.model import Event, EventKind, Incident
from agentguard.incidents.wording import sentence_of

Simulated = Mapping[str, Any] | None
"""The document of a simulation; None: it is not kept."""


def simulation_of(incident: Incident, event: Event | None) -> str | None:
    """Return the id of the simulation that this claim rests on; None: on none."""
    if event is None:
        return incident.links.simulation
    if event.kind in (EventKind.OPENED, EventKind.SIMULATION_LINKED):
        return event.details.get("simulation")
    return None


def supported_by_incident(incident: Incident, simulated: Simulated) -> Supported:
    """Return the spans behind an incident: of its simulation, then of its playbook."""
    statement = f"{incident.title}: {incident.state.value}, severity {incident.severity.value}."
    found = supported_by_document(statement, [simulated, incident.playbook])
    return replace(
        found, notes=tuple(_notes(incident, incident.links.simulation, simulated, found))
    )


def supported_by_event(incident: Incident, event: Event, simulated: Simulated) -> Supported:
    """Return the spans behind one event: of the simulation or playbook that it names."""
    linked = event.kind is EventKind.PLAYBOOK_LINKED
    same = linked and event.details.get("playbook") == incident.links.playbook
    cited = incident.playbook if same else simulated
    found = supported_by_document(f"{sentence_of(event)}.", cited)
    notes = _notes(incident, simulation_of(incident, event), simulated, found)
    return replace(found, notes=tuple(notes))


def _notes(
    incident: Incident, simulation: str | None, simulated: Simulated, found: Supported
) -> Iterator[str]:
    if simulation is not None and simulated is None:
        yield f"Simulation {simulation} is not kept."
    if not found.spans:
        yield (
            "No span is cited. The audit log proves who recorded this and when: `agentguard audit"
            f" export --incident {incident.id}`."
        )
