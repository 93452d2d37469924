"""Whether calls fail less often since something was done: measured from the live spans."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from agentguard.graph.model import Graph
from agentguard.incidents.changes import changed, check_not_merged
from agentguard.incidents.errors import NothingDoneError
from agentguard.incidents.model import Calls, Change, EventKind, Incident, MeasuredRecovery
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_HOUR, timestamp
from agentguard.traces.window import TimeWindow

_LONGEST = 24 * NS_PER_HOUR
"""Of each of the two windows: what is farther from the turn says less about it, and costs more."""


def windows_of(incident: Incident, now: int) -> tuple[TimeWindow, TimeWindow]:
    """Return the time until something was done about the incident, and the time since.

    It was done when the incident was mitigated or, where it never was, resolved. Each window has
    at most a day. Raises NothingDoneError, IncidentMergedError.
    """
    check_not_merged(incident)
    done = incident.last_entered(State.MITIGATED) or incident.last_entered(State.RESOLVED)
    if done is None:
        raise NothingDoneError(incident.id)
    before = TimeWindow(max(incident.begun_at, done.at - _LONGEST), done.at)
    return before, TimeWindow(done.at, min(now, done.at + _LONGEST))


def failing(incident: Incident) -> tuple[str, ...]:
    """Return the ids of the components whose calls tell.

    Those that fail by the linked playbook; without one, the first affected component.
    """
    named = (incident.playbook or {}).get("incident", {}).get("failed_components", ())
    return tuple(named) or tuple(each.id for each in incident.components[:1])


def calls_of(components: Collection[str], graph: Graph, window: TimeWindow) -> Calls:
    """Count the calls of these components in the graph of the window."""
    found = [each for each in graph.components if each.id in components]
    return Calls(
        since=window.since or 0,
        until=window.until or 0,
        calls=sum(each.invocations for each in found),
        failed=sum(each.errors for each in found),
    )


def measure(
    incident: Incident, components: tuple[str, ...], before: Calls, after: Calls, *, now: int
) -> Change | None:
    """Return the incident with what was measured; None if that is known."""
    found = MeasuredRecovery(components, before, after)
    if found == incident.measured:
        return None
    told = {"components": list(components), "before": counted(before), "after": counted(after)}
    return changed(replace(incident, measured=found), EventKind.MEASURED, now, told)


def counted(calls: Calls) -> dict[str, Any]:
    """Return what was counted in one window, for documents."""
    return {
        "since": timestamp(calls.since),
        "until": timestamp(calls.until),
        "calls": calls.calls,
        "failed": calls.failed,
    }
