"""What a notification is: one message on its way to one receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from agentguard.incidents.messages import Message, MessageKind
from agentguard.notifications.names import DeliveryState, ReceiverName


@dataclass(frozen=True, slots=True)
class Notification:
    """A message for one receiver, and what became of it; times in ns since the epoch."""

    message: Message
    receiver: ReceiverName
    due_at: int
    """When it is tried next, while it waits."""
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    ended_at: int | None = None
    """When it was delivered or given up."""
    reason: str | None = None
    """Why the last attempt failed, without secrets; None: none failed, or it was delivered."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The receiver has the message."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The receiver does not have the message."""

    reason: str
    """For people: no path, no query, no key."""
    permanent: bool = False
    """Whether another attempt would end the same way."""
    retry_after_seconds: float | None = None
    """How long the receiver asked to be left alone."""


Outcome: TypeAlias = Accepted | Failed


class Receiver(Protocol):
    """Where messages go."""

    @property
    def name(self) -> ReceiverName: ...

    @property
    def host(self) -> str:
        """Host and, if unusual, port: all that is shown of a URL that may be a secret."""

    @property
    def kinds(self) -> frozenset[MessageKind]:
        """What this receiver is told about."""

    async def send(self, message: Message) -> Outcome:
        """Send the message once, in bounded time; whatever goes wrong is the outcome.

        Sending it again is recognisable to the receiver as the same message.
        """
