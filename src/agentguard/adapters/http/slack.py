"""Slack's incoming webhooks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agentguard.adapters.http.guarded_client import Response
from agentguard.adapters.http.outcomes import Poster
from agentguard.adapters.http.webhook import host_of
from agentguard.incidents.messages import Message, MessageKind
from agentguard.kernel.stable_json import stable_json
from agentguard.notifications.documents import incident_url
from agentguard.notifications.model import Failed, Outcome
from agentguard.notifications.names import ReceiverName

_CODE = re.compile(rb"[a-z_]{1,60}")
"""Slack's errors, such as no_service."""
_HAPPENED: Mapping[MessageKind, str] = {
    MessageKind.OPENED: "Incident opened",
    MessageKind.ACKNOWLEDGED: "Incident acknowledged",
    MessageKind.MITIGATED: "Incident mitigated",
    MessageKind.RESOLVED: "Incident resolved",
    MessageKind.REVIEWED: "Incident reviewed",
    MessageKind.REOPENED: "Incident reopened",
    MessageKind.MERGED: "Incident merged into another one",
    MessageKind.SEVERITY_RAISED: "Severity raised",
    MessageKind.TEST: "Test of AgentGuard's notifications",
}


@dataclass(frozen=True, slots=True)
class Slack:
    """A Receiver in a channel of Slack."""

    poster: Poster
    url: str = field(repr=False)
    public_url: str | None = None
    name: ReceiverName = ReceiverName.SLACK
    kinds: frozenset[MessageKind] = frozenset(MessageKind)

    @property
    def host(self) -> str:
        return host_of(self.url)

    async def send(self, message: Message) -> Outcome:
        outcome, response = await self.poster.post(
            self.url, stable_json(slack_payload(message, self.public_url))
        )
        return _explained(outcome, response)


def _explained(outcome: Outcome, response: Response | None) -> Outcome:
    if isinstance(outcome, Failed) and response and _CODE.fullmatch(response.body):
        return replace(outcome, reason=f"{outcome.reason}: {response.body.decode()}")
    return outcome


def slack_payload(message: Message, public_url: str | None) -> dict[str, Any]:
    """Return the message as Block Kit blocks, with a plain text for whoever cannot show them.

    Every foreign text is escaped, and `verbatim` keeps Slack from making links, channels or
    mentions of it (Slack, "Formatting message text").
    """
    return {
        "text": _escaped(_headline(message)),
        "blocks": list(_blocks(message, public_url)),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _blocks(message: Message, public_url: str | None) -> Iterator[dict[str, Any]]:
    yield {"type": "section", "text": _text(_escaped(_headline(message)))}
    incident = message.data["incident"]
    if incident is None:
        yield {"type": "section", "text": _text(_escaped(message.data["note"]))}
        return
    fields = [f"{label}: {_escaped(value)}" for label, value in _facts(message, incident)]
    yield {"type": "section", "fields": [_text(each) for each in fields]}
    url = incident_url(message, public_url)
    if url is not None:
        yield {"type": "section", "text": _text(f"<{_escaped(url)}|Open the incident>")}


def _headline(message: Message) -> str:
    incident = message.data["incident"]
    happened = _HAPPENED[message.kind]
    return happened if incident is None else f"{happened}: {incident['title']}"


def _facts(message: Message, incident: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    before = message.data["previous_severity"]
    yield "Severity", incident["severity"] + (f" (was {before})" if before else "")
    yield "State", incident["state"]
    yield "Owner", incident["owner"] or "nobody"
    yield "By", message.data["actor"]
    for what in ("components", "workflows"):
        if incident[what]:
            yield what.capitalize(), _names(incident[what], incident[f"{what}_affected"])


def _names(named: list[Mapping[str, Any]], number: int) -> str:
    first = [each["name"] for each in named[:3]]
    more = number - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def _text(mrkdwn: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": mrkdwn, "verbatim": True}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
