"""What receivers of notifications are told about a change of an incident; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agentguard.graph.export.sanitizing import printable
from agentguard.incidents.changes import worse
from agentguard.incidents.model import Affected, Change, EventKind, Incident
from agentguard.ingest.values import shown
from agentguard.kernel.clock import timestamp
from agentguard.simulation.severities import Severity

INCIDENT_TOLD = "incident_messages"
"""A topic of the outbox: one message, under its own key, so that none replaces another."""

MOST_NAMED = 10
"""Components, and workflows, that a message names; it has the number of all."""


class MessageKind(StrEnum):
    """What a message is about."""

    OPENED = "incident.opened"
    ACKNOWLEDGED = "incident.acknowledged"
    MITIGATED = "incident.mitigated"
    RESOLVED = "incident.resolved"
    REVIEWED = "incident.reviewed"
    REOPENED = "incident.reopened"
    MERGED = "incident.merged"
    """It is a duplicate: another incident has what it knew."""
    SEVERITY_RAISED = "incident.severity_raised"
    TEST = "test"
    """Somebody checks that messages arrive; about no incident."""


_KINDS: Mapping[EventKind, MessageKind] = {
    EventKind.OPENED: MessageKind.OPENED,
    EventKind.ACKNOWLEDGED: MessageKind.ACKNOWLEDGED,
    EventKind.MITIGATED: MessageKind.MITIGATED,
    EventKind.RESOLVED: MessageKind.RESOLVED,
    EventKind.REVIEWED: MessageKind.REVIEWED,
    EventKind.REOPENED: MessageKind.REOPENED,
    EventKind.MERGED: MessageKind.MERGED,
}
_RATING = (EventKind.SEVERITY_CHANGED, EventKind.SPREAD, EventKind.ABSORBED)
"""What can raise the severity."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one change means for whoever is not looking."""

    id: str
    """Of this change, so the same however often it is sent; without a full stop."""
    kind: MessageKind
    at: int
    """ns since the epoch."""
    incident: str | None
    """None: a test."""
    severity: Severity | None
    data: Mapping[str, Any]
    """JSON for the receiver: what people wrote and telemetry named, masked and shortened."""

    def payload(self) -> Mapping[str, Any]:
        """Return the message as JSON; `parse` returns it again."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "at": self.at,
            "incident": self.incident,
            "severity": None if self.severity is None else self.severity.value,
            "data": self.data,
        }

    @staticmethod
    def parse(payload: Mapping[str, Any]) -> Message:
        severity = payload["severity"]
        return Message(
            payload["id"],
            MessageKind(payload["kind"]),
            payload["at"],
            payload["incident"],
            None if severity is None else Severity(severity),
            payload["data"],
        )


def message_of(change: Change, actor: str) -> Message | None:
    """Return what is told about a change; None where nobody is woken for it.

    `actor` is the id of the principal. Notes, owners' changes, links and facts of conditions are
    not told: they may quote what users wrote to agents.
    """
    kind = _kind_of(change)
    if kind is None:
        return None
    incident = change.incident
    return Message(
        f"{incident.id}-{incident.version}",
        kind,
        incident.changed_at,
        incident.id,
        incident.severity,
        {
            "incident": _document(incident),
            "actor": _clean(actor),
            **_previous(change, kind),
            "note": None,
        },
    )


def _kind_of(change: Change) -> MessageKind | None:
    if change.kind in _RATING and _is_raised(change.details):
        return MessageKind.SEVERITY_RAISED
    return _KINDS.get(change.kind)


def _is_raised(told: Mapping[str, Any]) -> bool:
    before, after = Severity(told["from"]), Severity(told["to"])
    return before is not after and worse(before, after) is after


def _previous(change: Change, kind: MessageKind) -> Mapping[str, Any]:
    before = change.details.get("from")
    raised = kind is MessageKind.SEVERITY_RAISED
    return {
        "previous_state": None if raised else before,
        "previous_severity": before if raised else None,
    }


def _document(incident: Incident) -> Mapping[str, Any]:
    return {
        "id": incident.id,
        "version": incident.version,
        "title": _clean(incident.title),
        "kind": _clean(incident.kind),
        "source": incident.source.value,
        "state": incident.state.value,
        "severity": incident.severity.value,
        "owner": None if incident.owner is None else _clean(incident.owner),
        "opened_at": timestamp(incident.opened_at),
        "merged_into": incident.merged_into,
        "components": _named(incident.components),
        "components_affected": len(incident.components),
        "workflows": _named(incident.workflows),
        "workflows_affected": len(incident.workflows),
    }


def _named(affected: Sequence[Affected]) -> list[Mapping[str, Any]]:
    return [
        {"id": _clean(each.id), "name": _clean(each.name), "kind": each.kind}
        for each in affected[:MOST_NAMED]
    ]


def _clean(text: str) -> str:
    """Return foreign text without secrets and hidden characters, at most a few hundred long."""
    return printable(shown(text))
