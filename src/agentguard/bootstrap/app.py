"""An opened application: everything that a shell needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.accounts.principal import Permission
from agentguard.catalog.comparing import Comparison, compare
from agentguard.catalog.matching import Matches, match
from agentguard.catalog.model import Catalog
from agentguard.catalog.views import view
from agentguard.coordination.cache import Cache
from agentguard.coordination.dispatching import Dispatcher
from agentguard.coordination.limits import RateLimits
from agentguard.coordination.notices import Notices
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.documents import scan_document
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.model import Graph
from agentguard.graph.projection import GraphProjection
from agentguard.graph.store import GraphVersion
from agentguard.graph.versions import Graphs
from agentguard.health import HealthCheck
from agentguard.jobs.attempts import Attempts, Work
from agentguard.jobs.dispatch import JobDispatcher
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.kernel.errors import InvalidInputError
from agentguard.playbooks.service import KIND as PLAYBOOK
from agentguard.playbooks.service import Playbooks
from agentguard.scan.jobs import KIND as SCAN
from agentguard.scan.jobs import ScanJobs
from agentguard.scan.live import LiveGraph
from agentguard.scan.pipeline import Scan
from agentguard.scan.service import ScanService
from agentguard.settings import Settings
from agentguard.simulation.model import Thresholds
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.service import Simulations
from agentguard.traces.compaction import Compactor
from agentguard.traces.receiver import Receiver
from agentguard.traces.store import SpanStore


class NothingUsableError(InvalidInputError):
    """A scan found no span that can be used."""

    code = "nothing-usable"

    def __init__(self, document: Mapping[str, Any]) -> None:
        reasons = " ".join(refusal["message"] for refusal in document["refusals"][:3])
        outside = document["coverage"]["outside_window"]
        why = (
            f"All {outside:,} spans that were read are of traces outside the window."
            if outside
            else "No span could be used."
        )
        super().__init__(f"{why} {reasons}".strip())
        self._refusals = document["refusals"]

    @property
    def extensions(self) -> dict[str, object]:
        return {"refusals": self._refusals}


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts that only a server has: it takes spans in, and sees to it that jobs are run."""

    receiver: Receiver
    spans: SpanStore
    live: LiveGraph
    compactor: Compactor
    sweep: Sweep
    delivery: JobDispatcher


@dataclass(frozen=True, slots=True)
class Shared:
    """What processes share for speed; in this process alone where there is no Redis."""

    cache: Cache
    notices: Notices
    limits: RateLimits | None
    """None: any number of requests may come."""
    ping_redis: Callable[[], Awaitable[None]] | None = None
    """Raises RedisUnavailableError where it does not answer; None: there is none."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything a shell needs, opened."""

    settings: Settings
    graphs: Graphs
    catalog: Catalog | None
    links: TraceLinks
    scans: ScanService
    shared: Shared
    jobs: Jobs
    outbox: Dispatcher
    projection: GraphProjection | None = None
    """None: the newest graph is shown nowhere else."""
    serving: Serving | None = None
    parts: tuple[HealthCheck, ...] = ()
    """What must work for a server to be ready."""

    @property
    def cache(self) -> Cache:
        return self.shared.cache

    @property
    def notices(self) -> Notices:
        return self.shared.notices

    @property
    def limits(self) -> RateLimits | None:
        return self.shared.limits

    @property
    def attempts(self) -> Attempts:
        """What tries jobs, in a server as in a worker."""
        works = {kind: work(self) for kind, work in WORKS.items()}
        return Attempts(
            self.jobs.store,
            works,
            self.jobs.clock,
            self.settings.job_attempts,
            self.settings.job_lease_seconds,
        )

    @property
    def uploaded(self) -> ScanJobs:
        return ScanJobs(
            self.scans,
            self.settings.data_dir / "uploads",
            self.scan_answer,
            self.settings.upload_seconds,
        )

    @property
    def simulations(self) -> Simulations:
        return Simulations(self.graphs, self.catalog, self.links, self.thresholds)

    @property
    def playbooks(self) -> Playbooks:
        return Playbooks(self.simulations)

    @property
    def dialects(self) -> Dialects:
        return self.scans.dialects()

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(
            self.settings.severity_critical,
            self.settings.severity_high,
            self.settings.severity_medium,
        )

    def matches(self, graph: Graph) -> Matches:
        return match(graph, self.catalog)

    async def compare(self, graph: Graph) -> Comparison:
        """Return the catalog compared with this graph and with everything ever seen, as of now."""
        history = await self.graphs.history()
        now, days = self.scans.clock(), self.settings.ghost_days
        return await asyncio.to_thread(
            compare, graph, self.catalog, history, now=now, ghost_days=days
        )

    def scan_answer(self, version: GraphVersion, found: Scan) -> dict[str, Any]:
        """Return the document of a scan; raise NothingUsableError if it found no span."""
        document = scan_document(
            found.graph, view(self.matches(found.graph), self.links), refusals=found.refusals
        )
        if not found.graph.coverage.spans:
            raise NothingUsableError(document)
        return {"dataset": version.dataset, "graph_version": version.id} | document


WORKS: Mapping[str, Callable[[App], Work]] = {
    SCAN: lambda app: Work(app.uploaded.run, app.uploaded.clear),
    SIMULATION: lambda app: Work(app.simulations.run),
    PLAYBOOK: lambda app: Work(app.playbooks.run),
}
"""The explicit table of jobs: kind → function."""

PERMISSIONS: Mapping[str, Permission] = {
    SCAN: Permission.OPERATE,
    SIMULATION: Permission.SIMULATE,
    PLAYBOOK: Permission.SIMULATE,
}
"""Kind → what submitting such a job requires."""
