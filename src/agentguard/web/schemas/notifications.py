"""Documents about notifications, and the message that webhooks receive."""

from __future__ import annotations

from pydantic import Field

from agentguard.discovery.kinds import ComponentKind
from agentguard.incidents.messages import MessageKind
from agentguard.incidents.model import Source
from agentguard.incidents.states import State
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.simulation.severities import Severity
from agentguard.web.schemas.common import Document, Time


class ReceiverDocument(Document):
    """A receiver that is set."""

    receiver: ReceiverName
    host: str = Field(description="Of its URL, which may be a secret and is not shown.")


class NotificationDocument(Document):
    """A message for one receiver, and what became of it."""

    id: str = Field(description="Of the message: webhooks receive it as `webhook-id`.")
    receiver: ReceiverName
    type: MessageKind
    incident: str | None = Field(description="Id of the incident.")
    severity: Severity | None
    state: DeliveryState
    attempts: int
    reason: str | None = Field(description="Why the last attempt failed; null: none did.")
    created_at: Time | None = Field(description="When the incident changed.")
    next_attempt_at: Time | None = Field(description="Null unless it waits.")
    ended_at: Time | None = Field(description="When it was delivered or given up.")


class NotificationsDocument(Document):
    """A page of notifications, those of the latest changes first."""

    receivers: list[ReceiverDocument]
    notifications: list[NotificationDocument]
    next: str | None = Field(description="`before` of the next page; null after the last.")


class ToldAffected(Document):
    """A component or workflow that is hit."""

    id: str
    name: str
    kind: ComponentKind | None = Field(description="Null where no graph tells it.")


class ToldIncident(Document):
    """An incident as of the change. Texts are masked, and at most a few hundred characters."""

    id: str
    version: int = Field(description="Each change adds 1: of two messages, the later has more.")
    title: str
    kind: str = Field(description="`simulated`, `reported`, or that of a detected condition.")
    source: Source
    state: State
    severity: Severity
    owner: str | None
    opened_at: Time | None
    merged_into: str | None = Field(description="Id of the incident that it is a duplicate of.")
    components: list[ToldAffected] = Field(description="At most 10, where it began first.")
    components_affected: int
    workflows: list[ToldAffected] = Field(description="At most 10.")
    workflows_affected: int


class ToldChange(Document):
    """What happened, and to what."""

    incident: ToldIncident | None = Field(description="Null: a test.")
    actor: str = Field(description="Id of the principal who did it.")
    previous_state: State | None = Field(description="Null where the state did not change.")
    previous_severity: Severity | None = Field(description="Null where the severity stayed.")
    note: str | None = Field(description="Null, except in a test.")
    url: str | None = Field(description="Where people see the incident, if AGENTGUARD_PUBLIC_URL.")


class WebhookMessage(Document):
    """What AGENTGUARD_WEBHOOK_URL receives, as the Standard Webhooks specification shapes it."""

    type: MessageKind
    timestamp: Time | None = Field(description="When it happened; `webhook-timestamp` is sending.")
    data: ToldChange
