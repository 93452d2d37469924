"""Retention of notifications, and of messages that no server ever handled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentguard.coordination.outbox import Outbox
from agentguard.incidents.messages import INCIDENT_TOLD
from agentguard.notifications.attempts import Patience
from agentguard.notifications.store import NotificationStore
from agentguard.retention.policy import Limit, Usage, expired, usage_of


class NotificationRetentionStores(Protocol):
    """What deleting notifications needs."""

    @property
    def notifications(self) -> NotificationStore: ...

    @property
    def outbox(self) -> Outbox: ...


@dataclass(frozen=True, slots=True)
class NotificationRetention:
    """A RetainedRows: notifications that were delivered or given up, by their end.

    Messages wait in the outbox for a server, which decides who is told. Where none runs, they go
    after twice the time in which they could be delivered.
    """

    limit: Limit
    patience: Patience
    kind: str = "notifications"

    async def usage(self, stores: NotificationRetentionStores) -> Usage:
        """Return what notifications occupy that may be deleted one day."""
        return usage_of(await stores.notifications.items())

    async def expire(self, stores: NotificationRetentionStores, now: int) -> tuple[str, ...]:
        unheard = await self._drop_messages(stores, now - 2 * self.patience.ns)
        gone = expired(await stores.notifications.items(), self.limit, now)
        return (*unheard, *await _delete(stores, gone))

    async def purge(
        self,
        stores: NotificationRetentionStores,
        before: int,
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        stored = await stores.notifications.items()
        return await _delete(stores, [item.id for item in stored if item.created_at < before])

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: a notification has no files."""

    async def _drop_messages(
        self, stores: NotificationRetentionStores, before: int
    ) -> tuple[str, ...]:
        waiting = await stores.outbox.waiting((INCIDENT_TOLD,))
        late = [each for each in waiting if each.payload["at"] < before]
        return tuple([each.key for each in late if await stores.outbox.remove(each)])


async def _delete(stores: NotificationRetentionStores, ids: Sequence[str]) -> tuple[str, ...]:
    await stores.notifications.delete(ids)
    return tuple(ids)
