"""What happened to an incident, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentguard.incidents.model import Event, EventKind

_MOST_NAMED = 3


def sentence_of(event: Event) -> str:
    """Return a line of the timeline without its time, actor and note."""
    return sentence(event.kind, event.details)


def sentence(kind: EventKind, told: Mapping[str, Any]) -> str:
    """Return the same for an event's kind and details."""
    if kind is EventKind.OPENED:
        return _opened(told)
    if kind is EventKind.ASSIGNED and not told.get("to"):
        return "Unassigned"
    grown = _grown(told) if kind in (EventKind.SPREAD, EventKind.ABSORBED) else ""
    if kind is EventKind.MEASURED:
        return measured_sentence(told["before"], told["after"])
    return _SENTENCES[kind].format(**told, grown=grown)


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
    EventKind.FEEDBACK_GIVEN: "Did it help? {helped}: {title}",
    EventKind.NOTED: "Note",
}
"""What happened, with the members of the event's details; opening is in `_opened`."""


def measured_sentence(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what was counted before and after something was done."""
    return f"Before, {_failed(before)}; after, {_failed(after)}"


def _failed(counted: Mapping[str, Any]) -> str:
    if not counted["calls"]:
        return "nothing was called"
    share = counted["failed"] / counted["calls"]
    return f"{counted['failed']:,} of {counted['calls']:,} calls failed ({share:.1%})"


def _opened(told: Mapping[str, Any]) -> str:
    because = {
        "simulation": f" from simulation {told.get('simulation')}",
        "condition": f": condition {told.get('condition')} was detected",
    }
    return f"Opened as {told['severity']}{because.get(told['source'], '')}"


def _grown(told: Mapping[str, Any]) -> str:
    added = [*told["components"], *told["workflows"]]
    parts = ["holds again"] if told.get("returned") else []
    if added:
        parts.append(f"adds {_named(added)}")
    if told["from"] != told["to"]:
        parts.append(f"raises the severity from {told['from']} to {told['to']}")
    return " and ".join(parts) or "adds nothing new"


def _named(ids: Sequence[Any]) -> str:
    more = len(ids) - _MOST_NAMED
    return ", ".join(map(str, ids[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
