"""PagerDuty's Events API v2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentguard.adapters.http.outcomes import Poster
from agentguard.adapters.http.webhook import host_of
from agentguard.incidents.messages import Message, MessageKind
from agentguard.kernel.clock import timestamp
from agentguard.kernel.stable_json import stable_json
from agentguard.notifications.documents import incident_url
from agentguard.notifications.model import Outcome
from agentguard.notifications.names import ReceiverName
from agentguard.simulation.severities import Severity

_LONGEST_SUMMARY = 1024
"""Characters (PagerDuty, "Send an alert event")."""
_ACTIONS: Mapping[MessageKind, str] = {
    MessageKind.OPENED: "trigger",
    MessageKind.SEVERITY_RAISED: "trigger",
    MessageKind.REOPENED: "trigger",
    MessageKind.ACKNOWLEDGED: "acknowledge",
    MessageKind.MITIGATED: "acknowledge",
    MessageKind.RESOLVED: "resolve",
    MessageKind.MERGED: "resolve",
    MessageKind.TEST: "trigger",
}
_SEVERITIES: Mapping[Severity | None, str] = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    None: "info",
}


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """A Receiver that keeps one alert for each incident."""

    poster: Poster
    url: str
    routing_key: str = field(repr=False)
    public_url: str | None = None
    name: ReceiverName = ReceiverName.PAGERDUTY
    kinds: frozenset[MessageKind] = frozenset(_ACTIONS)

    @property
    def host(self) -> str:
        return host_of(self.url)

    async def send(self, message: Message) -> Outcome:
        """Send an event; PagerDuty joins events of one `dedup_key`, so repeating one is harmless.

        The alert of a test is resolved at once.
        """
        outcome = await self._post(pagerduty_event(message, self.routing_key, self.public_url))
        if message.kind is MessageKind.TEST:
            await self._post(
                {
                    "routing_key": self.routing_key,
                    "event_action": "resolve",
                    "dedup_key": message.id,
                }
            )
        return outcome

    async def _post(self, event: Mapping[str, Any]) -> Outcome:
        return (await self.poster.post(self.url, stable_json(event)))[0]


def pagerduty_event(message: Message, routing_key: str, public_url: str | None) -> dict[str, Any]:
    """Return the event that triggers, acknowledges or resolves the alert of an incident."""
    url = incident_url(message, public_url)
    action = _ACTIONS[message.kind]
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": message.incident or message.id,
        "client": "AgentGuard",
    }
    if url is not None:
        event |= {"client_url": url, "links": [{"href": url, "text": "Open the incident"}]}
    return event | ({"payload": _payload(message)} if action == "trigger" else {})


def _payload(message: Message) -> dict[str, Any]:
    incident = message.data["incident"]
    return {
        "summary": _summary(message)[:_LONGEST_SUMMARY],
        "source": _source(incident),
        "severity": _SEVERITIES[message.severity],
        "timestamp": timestamp(message.at),
        "custom_details": incident or {"note": message.data["note"]},
    }


def _summary(message: Message) -> str:
    incident = message.data["incident"]
    return str(message.data["note"] if incident is None else incident["title"])


def _source(incident: Mapping[str, Any] | None) -> str:
    """Return what is hit first; PagerDuty wants a source."""
    if incident is None:
        return "agentguard"
    hit = [*incident["components"], *incident["workflows"]]
    return str(hit[0]["name"]) if hit else "agentguard"
