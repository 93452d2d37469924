"""The port of stored notifications."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from agentguard.kernel.errors import InvalidInputError
from agentguard.notifications.model import Notification
from agentguard.notifications.names import DeliveryState, ReceiverName
from agentguard.retention.policy import Item

Counts: TypeAlias = Mapping[tuple[ReceiverName, DeliveryState], int]
"""Number of notifications per receiver and state; without those that are 0."""

_CURSOR = re.compile(r"(\d{1,19})-([\w-]{1,100})/([a-z]{1,20})")


class NotificationCursorError(InvalidInputError):
    """The start of a page is not the `next` of an earlier one."""

    code = "bad-cursor"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not the start of a page. Use `next` of the previous page.")


@dataclass(frozen=True, slots=True)
class NotificationCursor:
    """The last notification of a page: the next one has only older ones."""

    at: int
    message: str
    receiver: str

    @staticmethod
    def parse(text: str) -> NotificationCursor:
        """Return the cursor; raise NotificationCursorError."""
        found = _CURSOR.fullmatch(text)
        if found is None or int(found[1]) >= 2**63:
            raise NotificationCursorError(text)
        return NotificationCursor(int(found[1]), found[2], found[3])

    def __str__(self) -> str:
        return f"{self.at}-{self.message}/{self.receiver}"


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which notifications a list shows; nothing set = all."""

    states: tuple[DeliveryState, ...] = ()
    """Any of these; empty: any."""
    receivers: tuple[ReceiverName, ...] = ()
    incident: str | None = None
    ended_since: int | None = None
    """ns since the epoch: only those that were delivered or given up then or later."""
    before: NotificationCursor | None = None


class NotificationStore(Protocol):
    """Notifications, one per message and receiver.

    Every method runs in the caller's transaction.
    """

    async def add(self, notification: Notification) -> bool:
        """Store a notification; return False, and change nothing, if it is stored already."""

    async def replace(self, notification: Notification) -> bool:
        """Store the state after an attempt.

        Returns False, and changes nothing, unless the stored one waits with one attempt less:
        another process was faster.
        """

    async def next_waiting(self, receiver: ReceiverName, incident: str) -> Notification | None:
        """Return the oldest one that waits for this receiver about this incident, or None."""

    async def is_told(self, receiver: ReceiverName, incident: str) -> bool:
        """Return whether any notification about this incident is stored for this receiver."""

    async def newest(self, wanted: NotificationFilter, limit: int) -> tuple[Notification, ...]:
        """Return those of the latest changes, newest first; of one time by descending id."""

    async def counts(self) -> Counts: ...

    async def items(self) -> tuple[Item, ...]:
        """Return those that were delivered or given up, each with its end and its size."""

    async def delete(self, ids: Collection[str]) -> None:
        """Delete notifications by the ids of `items`; missing ones are no error."""
