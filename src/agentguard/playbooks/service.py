"""The use case: write the playbook of a simulated failure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.catalog.matching import match
from agentguard.graph.documents import origin_of
from agentguard.graph.store import GraphVersion
from agentguard.jobs.attempts import Report
from agentguard.jobs.model import Job
from agentguard.playbooks.documents import playbook_document
from agentguard.playbooks.generator import generate
from agentguard.playbooks.model import Playbook
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.service import Failure, Simulations

KIND = "playbook"


@dataclass(frozen=True, slots=True)
class Playbooks:
    """Playbooks of simulated failures."""

    simulations: Simulations

    async def document(self, version: GraphVersion, failure: Failure) -> dict[str, Any]:
        """Return the document of the playbook for a failure that was `found` in this graph."""
        result = await self.simulations.simulate(version, failure)
        playbook = await asyncio.to_thread(self._generate, version, result)
        return origin_of(version) | playbook_document(playbook, links=self.simulations.links)

    async def run(self, job: Job, _report: Report) -> Mapping[str, Any]:
        """Return the playbook's document (a JobFunction)."""
        return await self.document(*await self.simulations.found(Failure.of(job.request)))

    def _generate(self, version: GraphVersion, result: SimulationResult) -> Playbook:
        return generate(
            version.graph, result, matches=match(version.graph, self.simulations.catalog)
        )
