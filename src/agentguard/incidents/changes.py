"""The rules by which incidents change: pure functions, each a Change or None for no change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from agentguard.incidents.errors import (
    IncidentMergedError,
    MergeNotAllowedError,
    TransitionNotAllowedError,
)
from agentguard.incidents.model import (
    Affected,
    Change,
    DetectedCondition,
    Entered,
    EventKind,
    Impact,
    Incident,
    Links,
)
from agentguard.incidents.states import State
from agentguard.simulation.severities import Severity

NEXT: Mapping[State, tuple[State, ...]] = MappingProxyType(
    {
        State.OPEN: (State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED),
        State.ACKNOWLEDGED: (State.MITIGATED, State.RESOLVED),
        State.MITIGATED: (State.RESOLVED, State.OPEN),
        State.RESOLVED: (State.REVIEWED, State.OPEN),
        State.REVIEWED: (State.OPEN,),
    }
)
"""State → those that may follow.

What passed without anybody's doing is resolved without having been acknowledged or mitigated: a
step that did not happen must not be claimed. Only what is resolved can be reviewed. Back leads
only to `open`.
"""

_KINDS = {
    State.OPEN: EventKind.REOPENED,
    State.ACKNOWLEDGED: EventKind.ACKNOWLEDGED,
    State.MITIGATED: EventKind.MITIGATED,
    State.RESOLVED: EventKind.RESOLVED,
    State.REVIEWED: EventKind.REVIEWED,
}
_RANKS = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)


def move(
    incident: Incident, to: State, *, now: int, by: str, note: str | None = None
) -> Change | None:
    """Return the incident in another state; None if it is in that state.

    Raises TransitionNotAllowedError, IncidentMergedError.
    """
    check_not_merged(incident)
    if to is incident.state:
        return None
    if to not in NEXT[incident.state]:
        raise TransitionNotAllowedError(incident.id, incident.state, to, NEXT[incident.state])
    entered = Entered(to, max(now, incident.changed_at), by)
    measured = None if to is State.OPEN else incident.measured  # of what was done until then
    moved = replace(incident, states=(*incident.states, entered), measured=measured)
    return changed(moved, _KINDS[to], now, {"from": incident.state.value, "note": note})


def assign(incident: Incident, owner: str | None, *, now: int) -> Change | None:
    """Return the incident with this owner, or none. Raises IncidentMergedError."""
    check_not_merged(incident)
    if owner == incident.owner:
        return None
    assigned = replace(incident, owner=owner)
    return changed(assigned, EventKind.ASSIGNED, now, {"from": incident.owner, "to": owner})


def rate(
    incident: Incident, severity: Severity, *, now: int, note: str | None = None
) -> Change | None:
    """Return the incident with this severity. Raises IncidentMergedError."""
    check_not_merged(incident)
    if severity is incident.severity:
        return None
    told = {"from": incident.severity.value, "to": severity.value, "note": note}
    rated = replace(incident, severity=severity)
    return changed(rated, EventKind.SEVERITY_CHANGED, now, told)


def note(incident: Incident, text: str, *, now: int) -> Change:
    """Return the incident with a person's note, also where it was merged or reviewed."""
    return changed(incident, EventKind.NOTED, now, {"note": text})


def detect_again(incident: Incident, condition: DetectedCondition, *, now: int) -> Change | None:
    """Return the incident with what its condition affects by now; None if that is all known.

    A condition that had ended holds again. The severity only rises: that it falls is for people to
    say.
    """
    grown, told = _grown(_holding(incident, condition.key), condition)
    if grown == incident:
        return None
    returned = {"returned": True} if condition.key in incident.cleared else {}
    details = {"condition": condition.key, **told, **returned, "facts": dict(condition.facts)}
    return changed(grown, EventKind.SPREAD, now, details)


def clear(incident: Incident, key: str, facts: Mapping[str, Any], *, now: int) -> Change | None:
    """Return the incident, one of whose conditions no longer holds; None if that is known.

    The state stays: whether the cause is removed is for people to say.
    """
    if key in incident.cleared:
        return None
    told = {"condition": key, "facts": dict(facts)}
    cleared = replace(incident, cleared=(*incident.cleared, key))
    return changed(cleared, EventKind.CONDITION_CLEARED, now, told)


def _holding(incident: Incident, key: str) -> Incident:
    return replace(incident, cleared=tuple(each for each in incident.cleared if each != key))


def link_simulation(
    incident: Incident,
    links: Links,
    impact: Impact,
    components: Sequence[Affected],
    workflows: Sequence[Affected],
    *,
    now: int,
) -> Change | None:
    """Return the incident with a simulation's impact; its severity stays.

    `links` are those of the simulation. Raises IncidentMergedError.
    """
    check_not_merged(incident)
    if incident.links.simulation == links.simulation:
        return None
    found = replace(
        incident,
        links=replace(links, playbook=incident.links.playbook),
        impact=impact,
        components=(*incident.components, *_added(incident.components, components)),
        workflows=(*incident.workflows, *_added(incident.workflows, workflows)),
    )
    told = {"simulation": links.simulation, "graph_version": links.graph_version}
    return changed(found, EventKind.SIMULATION_LINKED, now, told)


def link_playbook(
    incident: Incident, playbook_id: str, document: Mapping[str, Any], *, now: int
) -> Change | None:
    """Return the incident with a playbook. Raises IncidentMergedError."""
    check_not_merged(incident)
    if incident.links.playbook == playbook_id:
        return None
    links = replace(incident.links, playbook=playbook_id)
    linked = replace(incident, links=links, playbook=document, feedback=())
    return changed(linked, EventKind.PLAYBOOK_LINKED, now, {"playbook": playbook_id})


def merge(duplicate: Incident, into: Incident, *, now: int) -> tuple[Change, Change]:
    """Return the duplicate, merged, and the other incident with what the duplicate knew.

    That one gets its components, workflows and conditions, and the higher of both severities. The
    timeline of the duplicate stays with the duplicate. Raises IncidentMergedError,
    MergeNotAllowedError.
    """
    _check_mergeable(duplicate, into)
    grown, told = _grown(into, duplicate)
    absorbing = replace(
        grown,
        conditions=tuple(dict.fromkeys((*into.conditions, *duplicate.conditions))),
        cleared=tuple(dict.fromkeys((*into.cleared, *duplicate.cleared))),
        duplicates=(*into.duplicates, duplicate.id),
    )
    merged = replace(duplicate, merged_into=into.id, merged_at=max(now, duplicate.changed_at))
    return (
        changed(merged, EventKind.MERGED, now, {"incident": into.id}),
        changed(absorbing, EventKind.ABSORBED, now, {"incident": duplicate.id, **told}),
    )


def _grown(
    incident: Incident, more: Incident | DetectedCondition
) -> tuple[Incident, Mapping[str, Any]]:
    """Return the incident with what else is affected and the higher severity, and what is new."""
    components = _added(incident.components, more.components)
    workflows = _added(incident.workflows, more.workflows)
    severity = worse(incident.severity, more.severity)
    grown = replace(
        incident,
        components=(*incident.components, *components),
        workflows=(*incident.workflows, *workflows),
        severity=severity,
    )
    return grown, {
        "components": [each.id for each in components],
        "workflows": [each.id for each in workflows],
        "from": incident.severity.value,
        "to": severity.value,
    }


def worse(one: Severity, other: Severity) -> Severity:
    """Return the higher of two severities."""
    return max(one, other, key=_RANKS.index)


def _check_mergeable(duplicate: Incident, into: Incident) -> None:
    check_not_merged(duplicate)
    check_not_merged(into)
    if duplicate.id == into.id:
        raise MergeNotAllowedError(f"Incident {into.id} cannot be merged into itself.")
    if not into.active:
        raise MergeNotAllowedError(
            f"Incident {into.id} is {into.state}, so nothing can be merged into it. Reopen it"
            " first, or merge the other way round."
        )
    if not duplicate.active:
        raise MergeNotAllowedError(
            f"Incident {duplicate.id} is {duplicate.state}: what is resolved stays an incident of"
            " its own. Reopen it first if it is a duplicate."
        )


def check_not_merged(incident: Incident) -> None:
    if incident.merged_into is not None:
        raise IncidentMergedError(incident.id, incident.merged_into)


def _added(known: Sequence[Affected], more: Sequence[Affected]) -> tuple[Affected, ...]:
    """Return those of `more` that are not known, each once, in order."""
    ids = {each.id for each in known}
    return tuple({each.id: each for each in more if each.id not in ids}.values())


def changed(incident: Incident, kind: EventKind, now: int, details: Mapping[str, Any]) -> Change:
    """Return the next version; a clock that was set back does not disorder the timeline."""
    version, at = incident.version + 1, max(now, incident.changed_at)
    told = {name: value for name, value in details.items() if name != "note" or value is not None}
    return Change(replace(incident, version=version, changed_at=at), kind, told)
