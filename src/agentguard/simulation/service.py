"""Simulation use cases: looks up the graph, resolves names and runs the simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from agentguard.catalog.model import Catalog
from agentguard.graph.documents import origin_of
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.runs import Runs
from agentguard.graph.store import GraphVersion
from agentguard.graph.versions import Graphs
from agentguard.jobs.attempts import Report
from agentguard.jobs.model import Job
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method, SimulationResult, Thresholds
from agentguard.simulation.shared_fate import members

KIND = "simulation"


@dataclass(frozen=True, slots=True)
class Failure:
    """A simulation request."""

    wanted: tuple[str, ...]
    """Ids or unique names of components."""
    groups: tuple[str, ...] = ()
    method: Method | None = None
    seed: int = 0
    dataset: str | None = None
    """None: the dataset last written."""

    def request(self) -> dict[str, Any]:
        """Return the request as stored with a job."""
        return asdict(self)

    @staticmethod
    def of(request: Mapping[str, Any]) -> Failure:
        """Return the request of a stored job."""
        method = request["method"]
        named, groups = tuple(request["wanted"]), tuple(request["groups"])
        return Failure(
            named,
            groups,
            None if method is None else Method(method),
            request["seed"],
            request["dataset"],
        )


@dataclass(frozen=True, slots=True)
class Simulations:
    """Simulates failures on the newest graph.

    A job uses the graph that is newest when it runs; its result contains the version.
    """

    graphs: Graphs
    catalog: Catalog | None
    links: TraceLinks
    thresholds: Thresholds

    async def found(self, asked: Failure) -> tuple[GraphVersion, Failure]:
        """Return the newest graph, and the request with names and groups resolved to ids.

        Raises NoGraphError, and the errors of unknown or ambiguous names.
        """
        version = await self.graphs.newest(asked.dataset)
        return version, replace(asked, wanted=_components(asked, version.graph), groups=())

    async def simulate(self, version: GraphVersion, failure: Failure) -> SimulationResult:
        """Simulate a request returned by `found` on this graph."""
        runs = await self.graphs.runs(version.id)
        return await asyncio.to_thread(self._simulate, version, runs, failure)

    async def document(self, version: GraphVersion, failure: Failure) -> dict[str, Any]:
        """Return the document of the simulation."""
        result = await self.simulate(version, failure)
        return origin_of(version) | await asyncio.to_thread(
            simulation_document, result, links=self.links
        )

    async def run(self, job: Job, _report: Report) -> Mapping[str, Any]:
        """Return the simulation's document (a JobFunction)."""
        return await self.document(*await self.found(Failure.of(job.request)))

    def _simulate(self, version: GraphVersion, runs: Runs, failure: Failure) -> SimulationResult:
        return simulate(
            version.graph,
            runs,
            failure.wanted,
            method=failure.method,
            seed=failure.seed,
            thresholds=self.thresholds,
            catalog=self.catalog,
            graph_version=version.id,
        )


def _components(asked: Failure, graph: Graph) -> tuple[str, ...]:
    named = [resolve(graph, text).id for text in asked.wanted]
    return tuple(
        dict.fromkeys([*named, *(one for group in asked.groups for one in members(graph, group))])
    )
