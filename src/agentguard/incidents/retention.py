"""Retention of incidents: those that are active are never deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentguard.incidents.store import IncidentStore
from agentguard.retention.citations import INCIDENT, Citations
from agentguard.retention.policy import Limit, Usage, expired, usage_of


class IncidentRetentionStores(Protocol):
    """What deleting incidents needs."""

    @property
    def incidents(self) -> IncidentStore: ...

    @property
    def citations(self) -> Citations: ...


@dataclass(frozen=True, slots=True)
class IncidentRetention:
    """A RetainedRows: incidents that are resolved, reviewed or merged, by their last change.

    The graph versions that they cite are free then.
    """

    limit: Limit
    kind: str = "incidents"

    async def usage(self, stores: IncidentRetentionStores) -> Usage:
        """Return what incidents occupy that may be deleted one day."""
        return usage_of(await stores.incidents.items())

    async def expire(self, stores: IncidentRetentionStores, now: int) -> tuple[str, ...]:
        return await _delete(stores, expired(await stores.incidents.items(), self.limit, now))

    async def purge(
        self,
        stores: IncidentRetentionStores,
        before: int,
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        stored = await stores.incidents.items()
        return await _delete(stores, [item.id for item in stored if item.created_at < before])

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: an incident has no files."""


async def _delete(stores: IncidentRetentionStores, ids: Sequence[str]) -> tuple[str, ...]:
    await stores.citations.withdraw(INCIDENT, ids)
    await stores.incidents.delete(ids)
    return tuple(ids)
