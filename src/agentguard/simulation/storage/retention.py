"""Retention of stored simulations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agentguard.retention.citations import SIMULATION, Citations
from agentguard.retention.policy import Limit, Usage, expired, usage_of
from agentguard.simulation.storage.store import SimulationStore


class SimulationRetentionStores(Protocol):
    """What deleting simulations needs."""

    @property
    def simulations(self) -> SimulationStore: ...

    @property
    def citations(self) -> Citations: ...


@dataclass(frozen=True, slots=True)
class SimulationRetention:
    """A RetainedRows: stored simulations; the graph versions that they cite are free then."""

    limit: Limit
    kind: str = "simulations"

    async def usage(self, stores: SimulationRetentionStores) -> Usage:
        return usage_of(await stores.simulations.items())

    async def expire(self, stores: SimulationRetentionStores, now: int) -> tuple[str, ...]:
        return await _delete(stores, expired(await stores.simulations.items(), self.limit, now))

    async def purge(
        self,
        stores: SimulationRetentionStores,
        before: int,
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        stored = await stores.simulations.items()
        return await _delete(stores, [item.id for item in stored if item.created_at < before])

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: a simulation has no files."""


async def _delete(stores: SimulationRetentionStores, ids: Sequence[str]) -> tuple[str, ...]:
    await stores.citations.withdraw(SIMULATION, ids)
    await stores.simulations.delete(ids)
    return tuple(ids)
