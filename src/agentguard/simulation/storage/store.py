"""The port of stored simulations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from agentguard.retention.policy import Item
from agentguard.simulation.storage.model import SimulationFilter, SimulationRecord, StoredSimulation


class SimulationStore(Protocol):
    """Simulations by id.

    Every method runs in the caller's transaction: what it changes is durable once that commits.
    """

    async def add(self, simulation: StoredSimulation) -> bool:
        """Store the simulation, and return True; return False if one with this id exists."""

    async def is_kept(self, simulation_id: str) -> bool:
        """Return whether the simulation is stored."""

    async def get(self, simulation_id: str) -> StoredSimulation:
        """Return the simulation; raise UnknownSimulationError if it is not stored."""

    async def newest(self, wanted: SimulationFilter, limit: int) -> tuple[SimulationRecord, ...]:
        """Return the newest simulations, newest first; those of one time by descending id."""

    async def sha256(self, simulation_id: str, /) -> str | None:
        """Return the SHA-256 of the document as stable JSON, in hex; None: it is not stored."""

    async def items(self) -> tuple[Item, ...]:
        """Return all simulations, each with its time and size."""

    async def delete(self, simulation_ids: Collection[str]) -> None:
        """Delete these simulations, and the catalogs that no other one used.

        Missing ones are no error.
        """
