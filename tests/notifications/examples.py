"""Messages for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentguard.adapters.http.guarded_client import GuardedClient
from agentguard.adapters.http.outcomes import Poster
from agentguard.adapters.http.targets import Allowed
from agentguard.incidents import changes
from agentguard.incidents.messages import Message, message_of
from agentguard.incidents.model import Change, Incident
from agentguard.incidents.states import State
from agentguard.kernel.clock import NS_PER_SECOND, system_clock
from agentguard.notifications.model import Notification
from agentguard.notifications.names import ReceiverName
from agentguard.simulation.severities import Severity
from tests.incidents.examples import ID, START, opening
from tests.notifications.servers import LOOPBACK

ACTOR = "user:anna"


def told(change: Change | None) -> Message:
    assert change is not None
    message = message_of(change, ACTOR)
    assert message is not None
    return message


def opened(incident_id: str = ID, **more: Any) -> Message:
    return told(opening(incident_id, **more))


def moved(to: State, incident: Incident | None = None) -> Message:
    found = incident or opening().incident
    return told(changes.move(found, to, now=START + NS_PER_SECOND, by=ACTOR, note="a secret note"))


def story(*states: State, incident_id: str = ID) -> tuple[Message, ...]:
    """Return what is told of one incident: that it was opened, then of each state."""
    change = opening(incident_id)
    messages = [told(change)]
    for number, state in enumerate(states, 1):
        at = START + number * NS_PER_SECOND
        moved_on = changes.move(change.incident, state, now=at, by=ACTOR)
        assert moved_on is not None
        change = moved_on
        messages.append(told(change))
    return tuple(messages)


def raised(**more: Any) -> Message:
    return told(changes.rate(opening(**more).incident, Severity.CRITICAL, now=START))


def waiting(
    message: Message | None = None, receiver: ReceiverName = ReceiverName.WEBHOOK, **more: Any
) -> Notification:
    found = message or opened()
    return replace(Notification(found, receiver, due_at=found.at), **more)


def poster(allowed: Allowed = LOOPBACK, seconds: float = 5) -> Poster:
    return Poster(GuardedClient(allowed, seconds), system_clock)
