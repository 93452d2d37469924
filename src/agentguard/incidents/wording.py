"""What happened to an incident, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentguard.incidents.model import Event, EventKind

_MOST_NAMED = 3


def sentence_of(event: Event) -> str:
    """Return a line of the timeline without its time, actor and note."""
    if event.kind is EventKind.OPENED:
        return _opened(event)
    if event.kind is EventKind.ASSIGNED and not event.details.get("to"):
        return "Unassigned"
    grown = _grown(event) if event.kind in (EventKind.SPREAD, EventKind.ABSORBED) else ""
    return _SENTENCES[event.kind].format(**event.details, grown=grown)


_SENTENCES: Mapping[EventKind, str] = {
    EventKind.ACKNOWLEDGED: "Acknowledged",
    EventKind.MITIGATED: "Mitigated",
    EventKind.RESOLVED: "Resolved",
    EventKind.REVIEWED: "Reviewed",
    EventKind.REOPENED: "Reopened; it was {from}",
    EventKind.ASSIGNED: "Assigned to {to}",
    EventKind.SEVERITY_CHANGED: "Severity changed from {from} to {to}",
    EventKind.SPREAD: "Condition {condition} {grown}",
    EventKind.ABSORBED: "Incident {incident} was merged into this one; it {grown}",
    EventKind.MERGED: "Merged into incident {incident}",
    EventKind.CONDITION_CLEARED: "Condition {condition} no longer holds",
    EventKind.SIMULATION_LINKED: "Simulation {simulation} linked",
    EventKind.PLAYBOOK_LINKED: "Playbook {playbook} linked",
    EventKind.NOTED: "Note",
}
"""What happened, with the members of the event's details; opening is in `_opened`."""


def _opened(event: Event) -> str:
    told = event.details
    because = {
        "simulation": f" from simulation {told.get('simulation')}",
        "condition": f": condition {told.get('condition')} was detected",
    }
    return f"Opened as {told['severity']}{because.get(told['source'], '')}"


def _grown(event: Event) -> str:
    told = event.details
    added = [*told["components"], *told["workflows"]]
    parts = [f"adds {_named(added)}"] if added else []
    if told["from"] != told["to"]:
        parts.append(f"raises the severity from {told['from']} to {told['to']}")
    return " and ".join(parts) or "adds nothing new"


def _named(ids: Sequence[Any]) -> str:
    more = len(ids) - _MOST_NAMED
    return ", ".join(map(str, ids[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
