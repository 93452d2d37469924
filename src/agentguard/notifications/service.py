"""The use cases of notifications: see what became of them, and try the receivers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agentguard.accounts.principal import Permission, Principal
from agentguard.compute.tasks import task_group
from agentguard.incidents.messages import Message, MessageKind
from agentguard.kernel.clock import Clock
from agentguard.notifications.documents import Document, outcomes_document, page_document
from agentguard.notifications.model import Notification, Receiver
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.notifications.store import Counts, NotificationFilter, NotificationStore
from agentguard.unit_of_work import UnitOfWork

MOST_COUNTED = 1000
TEST_NOTE = "This is a test of AgentGuard's notifications. Nothing happened."


class NotificationStores(Protocol):
    """What showing notifications needs."""

    @property
    def notifications(self) -> NotificationStore: ...


@dataclass(frozen=True, slots=True)
class NotificationService:
    """Shows notifications. Raises UnavailableError."""

    unit_of_work: UnitOfWork[NotificationStores]
    receivers: Mapping[ReceiverName, Receiver]

    async def page(self, wanted: NotificationFilter, limit: int) -> Document:
        """Return the document of the newest notifications, and the receivers by host."""
        found = await self.unit_of_work.read(
            lambda stores: stores.notifications.newest(wanted, limit)
        )
        return page_document(found, limit, self.receivers.values())

    async def counts(self) -> Counts:
        """Return how many are stored per receiver and state."""
        return await self.unit_of_work.read(lambda stores: stores.notifications.counts())

    async def given_up(self, since: int) -> tuple[Notification, ...]:
        """Return those that were given up since then (ns), the latest changes first.

        At most MOST_COUNTED.
        """
        wanted = NotificationFilter(states=(DeliveryState.GIVEN_UP,), ended_since=since)
        return await self.unit_of_work.read(
            lambda stores: stores.notifications.newest(wanted, MOST_COUNTED)
        )


@dataclass(frozen=True, slots=True)
class ReceiverTest:
    """Sends a marked message to every receiver; needs no database."""

    receivers: Mapping[ReceiverName, Receiver]
    clock: Clock
    new_id: Callable[[], str] = field(default=lambda: f"test-{uuid.uuid4()}")

    async def run(self, actor: Principal) -> Document:
        """Send the message once to each; return what became of it. Stores nothing.

        Raises PermissionDeniedError.
        """
        actor.require(Permission.OPERATE)
        message = test_message(self.new_id(), actor.id, self.clock())
        async with task_group() as tasks:
            sending = [
                (receiver, tasks.create_task(receiver.send(message)))
                for receiver in self.receivers.values()
            ]
        return outcomes_document([(receiver, task.result()) for receiver, task in sending])


def test_message(id_: str, actor: str, now: int) -> Message:
    """Return a message about no incident, which says that it is a test."""
    data = {
        "incident": None,
        "actor": actor,
        "previous_state": None,
        "previous_severity": None,
        "note": TEST_NOTE,
    }
    return Message(id_, MessageKind.TEST, now, None, None, data)
