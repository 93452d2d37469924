"""Reads incidents: lists, one with its surroundings, timelines and drafts of post-mortems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from agentguard.audit.anchor_store import AnchorStore
from agentguard.audit.store import AuditLog
from agentguard.graph.errors import NoGraphError
from agentguard.graph.selection import GraphSelection, GraphSelector
from agentguard.graph.storage.store import GraphVersions
from agentguard.incidents.documents import (
    Surroundings,
    events_document,
    incident_document,
    page_document,
)
from agentguard.incidents.model import Event, Incident
from agentguard.incidents.post_mortem import post_mortem
from agentguard.incidents.proofs import proof_of
from agentguard.incidents.store import IncidentFilter, IncidentsStamp, IncidentStore
from agentguard.simulation.storage.store import SimulationStore
from agentguard.unit_of_work import UnitOfWork

Document: TypeAlias = dict[str, Any]


class IncidentViewStores(Protocol):
    """What showing incidents needs."""

    @property
    def incidents(self) -> IncidentStore: ...

    @property
    def simulations(self) -> SimulationStore: ...

    @property
    def graphs(self) -> GraphVersions: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def anchors(self) -> AnchorStore: ...


@dataclass(frozen=True, slots=True)
class IncidentViews:
    """Documents about stored incidents, each from one snapshot of the database.

    All raise UnavailableError, and those about one incident UnknownIncidentError.
    """

    unit_of_work: UnitOfWork[IncidentViewStores]
    selector: GraphSelector

    async def page(self, wanted: IncidentFilter, limit: int) -> Document:
        """Return the document of the incidents opened last, newest first."""
        found = await self.unit_of_work.read(lambda s: s.incidents.newest(wanted, limit))
        return page_document(found, limit)

    async def stamp(self) -> IncidentsStamp:
        """Return what differs whenever any incident has changed."""
        return await self.unit_of_work.read(lambda s: s.incidents.stamp())

    async def incident(self, incident_id: str) -> Incident:
        """Return the incident alone."""
        return await self.unit_of_work.read(lambda s: s.incidents.get(incident_id))

    async def event(self, incident_id: str, number: int) -> Event | None:
        """Return one event of the timeline; None: there is none of this number."""

        async def work(stores: IncidentViewStores) -> tuple[Event, ...]:
            await stores.incidents.get(incident_id)
            return await stores.incidents.events(incident_id, after=number - 1, limit=1)

        found = await self.unit_of_work.read(work)
        return next((event for event in found if event.number == number), None)

    async def show(self, incident_id: str) -> Document:
        """Return the incident's document, and what has become of what it names."""
        incident, around = await self._surrounded(incident_id)
        return incident_document(incident, around)

    async def events(self, incident_id: str, *, after: int = 0, limit: int) -> Document:
        """Return a page of the timeline, the oldest events first."""

        async def work(stores: IncidentViewStores) -> tuple[Incident, tuple[Event, ...]]:
            incident = await stores.incidents.get(incident_id)
            return incident, await stores.incidents.events(incident_id, after=after, limit=limit)

        incident, found = await self.unit_of_work.read(work)
        return events_document(incident, found, limit)

    async def post_mortem(self, incident_id: str) -> Document:
        """Return the draft of the post-mortem, in which `markdown` is the text."""
        incident, around = await self._surrounded(incident_id)
        events = await self.unit_of_work.read(lambda s: s.incidents.events(incident_id))
        known = tuple(each for each in events if each.number <= incident.version)
        text = post_mortem(incident, known, around)
        return {"incident": incident.id, "version": incident.version, "markdown": text}

    async def _surrounded(self, incident_id: str) -> tuple[Incident, Surroundings]:
        async def work(stores: IncidentViewStores) -> tuple[Incident, Surroundings]:
            incident = await stores.incidents.get(incident_id)
            version, simulation = incident.links.graph_version, incident.links.simulation
            return incident, Surroundings(
                graph_version_kept=version is not None and await stores.graphs.is_kept(version),
                simulation_kept=simulation is not None
                and await stores.simulations.is_kept(simulation),
                proof=await proof_of(stores, incident),
            )

        incident, around = await self.unit_of_work.read(work)
        return incident, replace(around, present=await self._present(incident.links.dataset))

    async def _present(self, dataset: str | None) -> frozenset[str] | None:
        """Return what the newest graph of the incident's dataset has; None if there is none."""
        try:
            graph = (await self.selector.select(GraphSelection(dataset))).graph
        except NoGraphError:
            return None
        return frozenset([*(c.id for c in graph.components), *(w.id for w in graph.workflows)])
