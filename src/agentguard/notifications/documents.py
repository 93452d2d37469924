"""The JSON documents about notifications."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from agentguard.incidents.messages import Message
from agentguard.kernel.clock import timestamp
from agentguard.notifications.model import Accepted, Notification, Outcome, Receiver
from agentguard.notifications.names import DeliveryState
from agentguard.notifications.store import NotificationCursor

Document: TypeAlias = dict[str, Any]

INCIDENT_PAGE = "/incidents"
"""Page of the web UI that shows an incident; its query has the id."""


def message_document(message: Message, public_url: str | None) -> Document:
    """Return the body that webhooks receive: `type`, `timestamp` and `data`.

    The three members are those of the Standard Webhooks specification, "Payload structure".
    """
    return {
        "type": message.kind.value,
        "timestamp": timestamp(message.at),
        "data": {**message.data, "url": incident_url(message, public_url)},
    }


def incident_url(message: Message, public_url: str | None) -> str | None:
    """Return where people see the incident; None without AGENTGUARD_PUBLIC_URL, or for a test."""
    if public_url is None or message.incident is None:
        return None
    return f"{public_url.rstrip('/')}{INCIDENT_PAGE}?id={message.incident}"


def page_document(
    found: Sequence[Notification], limit: int, receivers: Iterable[Receiver]
) -> Document:
    """Return a page; `next` is the value of `before` for the next one, None after the last."""
    last = found[-1] if len(found) == limit else None
    return {
        "receivers": [{"receiver": r.name.value, "host": r.host} for r in receivers],
        "notifications": [notification_document(each) for each in found],
        "next": None if last is None else str(_cursor(last)),
    }


def notification_document(each: Notification) -> Document:
    message, waiting = each.message, each.state is DeliveryState.WAITING
    severity = message.severity
    return {
        "id": message.id,
        "receiver": each.receiver.value,
        "type": message.kind.value,
        "incident": message.incident,
        "severity": None if severity is None else severity.value,
        "state": each.state.value,
        "attempts": each.attempts,
        "reason": each.reason,
        "created_at": timestamp(message.at),
        "next_attempt_at": timestamp(each.due_at) if waiting else None,
        "ended_at": None if each.ended_at is None else timestamp(each.ended_at),
    }


def outcomes_document(outcomes: Iterable[tuple[Receiver, Outcome]]) -> Document:
    """Return what became of one message at each receiver."""
    return {
        "receivers": [
            {
                "receiver": receiver.name.value,
                "host": receiver.host,
                "delivered": isinstance(outcome, Accepted),
                "reason": None if isinstance(outcome, Accepted) else outcome.reason,
            }
            for receiver, outcome in outcomes
        ]
    }


def _cursor(last: Notification) -> NotificationCursor:
    return NotificationCursor(last.message.at, last.message.id, last.receiver.value)
