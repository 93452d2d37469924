"""The use case of playbooks: what to do about a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.accounts.principal import Principal
from agentguard.catalog.matching import match
from agentguard.graph.documents import origin_of
from agentguard.graph.model import Graph
from agentguard.jobs.attempts import JOBS, Report
from agentguard.jobs.model import Job, JobKind
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.playbooks.model import Playbook
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.service import (
    Failure,
    JobQueue,
    ResolvedFailure,
    SimulationService,
)

KIND = JobKind.PLAYBOOK.value


@dataclass(frozen=True, slots=True)
class PlaybookService:
    """Writes the playbooks of simulated failures. Every use needs the permission SIMULATE."""

    simulations: SimulationService
    jobs: JobQueue

    async def resolve(self, actor: Principal, failure: Failure) -> ResolvedFailure:
        """Return the graph and the components that the failure names; see SimulationService."""
        return await self.simulations.resolve(actor, failure)

    async def write(self, actor: Principal, failure: ResolvedFailure) -> dict[str, Any]:
        """Return the document of the playbook. Takes as long as the simulation."""
        result = await self.simulations.result(actor, failure)
        playbook = await asyncio.to_thread(self._generate, failure.selected.graph, result)
        links = self.simulations.links
        return origin_of(failure.selected) | playbook_document(playbook, links=links)

    async def submit(self, actor: Principal, failure: Failure) -> Job:
        """Store a job that writes the playbook; raise as SimulationService.submit."""
        await self.resolve(actor, failure)
        return await self.jobs.submit(actor, KIND, failure.request())

    async def run(self, job: Job, _report: Report) -> Mapping[str, Any]:
        """Return the playbook's document (a JobFunction)."""
        return await self.write(JOBS, await self.resolve(JOBS, Failure.of(job.request)))

    def _generate(self, graph: Graph, result: SimulationResult) -> Playbook:
        return generate(graph, result, matches=match(graph, self.simulations.catalog))
