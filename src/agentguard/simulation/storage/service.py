"""The use cases of stored simulations: keep one, repeat it, list them, compare two."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.cited import GRAPH_HASH, RESULT_HASH
from agentguard.audit.recording import Acting, AuditTrail, traces_in
from agentguard.audit.store import AuditLog, CitedDocuments
from agentguard.graph.errors import NoGraphError
from agentguard.graph.selection import GraphSelection, SelectedGraph
from agentguard.jobs.attempts import JOBS, Report
from agentguard.jobs.model import Job
from agentguard.jobs.transactions import Submitter
from agentguard.kernel.clock import Clock
from agentguard.retention.citations import SIMULATION, Citations
from agentguard.simulation.identity import digest, storable
from agentguard.simulation.service import Failure, SimulationService
from agentguard.simulation.storage.comparing import comparison_document
from agentguard.simulation.storage.documents import (
    Repeat,
    RepeatState,
    page_document,
    stored_document,
    summary_of,
)
from agentguard.simulation.storage.model import (
    Inputs,
    SimulationFilter,
    SimulationRecord,
    StoredSimulation,
)
from agentguard.simulation.storage.store import SimulationStore
from agentguard.unit_of_work import UnitOfWork

Document: TypeAlias = dict[str, Any]


class SimulationStores(Protocol):
    """What stored simulations need."""

    @property
    def simulations(self) -> SimulationStore: ...

    @property
    def graphs(self) -> CitedDocuments: ...

    @property
    def citations(self) -> Citations: ...

    @property
    def audit(self) -> AuditLog: ...


@dataclass(frozen=True, slots=True)
class StoredSimulations:
    """Simulations that were made and are kept."""

    unit_of_work: UnitOfWork[SimulationStores]
    simulations: SimulationService
    """Makes them, with the catalog and the thresholds of now."""
    clock: Clock
    agentguard_version: str
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def is_kept(self, simulation_id: str) -> bool:
        """Return whether this simulation is stored."""
        return await self.unit_of_work.read(lambda s: s.simulations.is_kept(simulation_id))

    async def keep(
        self, who: Acting, failure: Failure, selected: SelectedGraph, document: Mapping[str, Any]
    ) -> None:
        """Store a simulation's document with its inputs, and leave an entry; durable on return.

        One that is stored already, and one without an id (a preview, or of a window), changes
        nothing. The graph version is kept as long as the simulation.
        """
        if document["id"] is None or await self.is_kept(document["id"]):
            return
        found = await asyncio.to_thread(self._stored, who, failure, selected, document)
        graph = await self.unit_of_work.read(lambda s: s.graphs.sha256(found.record.graph_version))
        hashes = {GRAPH_HASH: graph, RESULT_HASH: await asyncio.to_thread(digest, found.document)}
        await self.unit_of_work.run(lambda stores: self._add(stores, who, found, hashes))

    async def run(self, job: Job, _report: Report) -> Mapping[str, Any]:
        """Return the simulation's document, and keep it (a JobFunction)."""
        failure = Failure.of(job.request)
        resolved = await self.simulations.resolve(JOBS, failure)
        document = await self.simulations.simulate(JOBS, resolved)
        await self.keep(Submitter(job), failure, resolved.selected, document)
        return document

    async def page(self, wanted: SimulationFilter, limit: int) -> Document:
        """Return the document of the newest simulations, newest first."""
        found = await self.unit_of_work.read(lambda s: s.simulations.newest(wanted, limit))
        return page_document(found, limit)

    async def repeat(self, actor: Principal, simulation_id: str) -> Document:
        """Return a stored simulation's document, and whether repeating it gives the same.

        Takes as long as the simulation. Raises PermissionDeniedError, UnknownSimulationError.
        """
        actor.require(Permission.SIMULATE)
        stored = await self._get(simulation_id)
        repeat = await self._repeat(actor, stored)
        return await asyncio.to_thread(stored_document, stored, repeat, self.simulations.links)

    async def stored(self, simulation_id: str) -> StoredSimulation:
        """Return a simulation as it was stored; raise UnknownSimulationError."""
        return await self._get(simulation_id)

    async def compare(self, a: str, b: str) -> Document:
        """Return what differs between two simulations; raise UnknownSimulationError."""
        one, other = await self._get(a), await self._get(b)
        return await asyncio.to_thread(comparison_document, one, other)

    async def _get(self, simulation_id: str) -> StoredSimulation:
        return await self.unit_of_work.read(lambda s: s.simulations.get(simulation_id))

    def _stored(
        self, who: Acting, failure: Failure, selected: SelectedGraph, document: Mapping[str, Any]
    ) -> StoredSimulation:
        version = str(selected.version)
        of_version = replace(failure, selection=GraphSelection(selected.dataset, version))
        record = SimulationRecord(
            id=document["id"],
            created_at=self.clock(),
            created_by=who.id,
            agentguard_version=self.agentguard_version,
            dataset=selected.dataset,
            graph_version=version,
            summary=summary_of(document),
        )
        made_by = self.simulations
        inputs = Inputs(of_version.request(), made_by.thresholds, made_by.catalog)
        return StoredSimulation(record, inputs, storable(document))

    async def _add(
        self,
        stores: SimulationStores,
        who: Acting,
        found: StoredSimulation,
        hashes: Mapping[str, str | None],
    ) -> None:
        record = found.record
        if not await stores.simulations.add(found):
            return
        await stores.citations.cite(record.graph_version, SIMULATION, record.id)
        await self.trail.record(
            stores.audit,
            who,
            "simulation.stored",
            object_id=record.id,
            graph_version=record.graph_version,
            evidence=traces_in(found.document),
            payload=hashes,
        )

    async def _repeat(self, actor: Principal, stored: StoredSimulation) -> Repeat:
        inputs = stored.inputs
        before = replace(self.simulations, catalog=inputs.catalog, thresholds=inputs.thresholds)
        try:
            resolved = await before.resolve(actor, Failure.of(inputs.request))
            document = await before.simulate(actor, resolved)
        except NoGraphError:
            return Repeat(RepeatState.EXPIRED, _expired(stored.record))
        if document["id"] == stored.record.id and storable(document) == stored.document:
            return Repeat(RepeatState.IDENTICAL)
        return Repeat(RepeatState.DIFFERENT, self._different(stored))

    def _different(self, stored: StoredSimulation) -> str:
        record = stored.record
        if not digest(stored.document).startswith(record.id):
            return (
                "The stored result was changed: its hash does not begin with its id. Check it"
                " against the audit log with `agentguard audit fsck`."
            )
        return (
            f"AgentGuard {record.agentguard_version} computed the stored result;"
            f" {self.agentguard_version} computes another one from the same inputs."
        )


def _expired(record: SimulationRecord) -> str:
    return (
        f"Graph version {record.graph_version} or its runs have expired, so the simulation cannot"
        " be repeated. This is the stored result."
    )
