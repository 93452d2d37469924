"""An opened application: services, wired."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as version_of

from agentguard.accounts.principal import Permission
from agentguard.analysis.diff_service import DiffService
from agentguard.analysis.mitigation_service import MitigationService
from agentguard.analysis.recent import RecentAnalyses
from agentguard.analysis.risk_history import RiskHistory
from agentguard.analysis.service import AnalysisService
from agentguard.audit.anchoring_rounds import Anchoring
from agentguard.audit.cosigning import CosigningService
from agentguard.audit.keys import VerifierKey
from agentguard.audit.refused_access import RefusedAccess
from agentguard.audit.rotation import KeyRotation
from agentguard.audit.sequencing_loop import SequencingLoop
from agentguard.audit.service import AuditService
from agentguard.bootstrap.accounts import Accounts
from agentguard.bootstrap.notifications import Receivers
from agentguard.bootstrap.retention import Keeper, Retention
from agentguard.catalog.model import Catalog
from agentguard.catalog.service import CatalogService
from agentguard.catalog.views import viewer
from agentguard.compute.pools import Pool
from agentguard.coordination.cache import Cache
from agentguard.coordination.dispatching import Dispatcher
from agentguard.coordination.limits import RateLimits
from agentguard.coordination.notices import Notices
from agentguard.discovery.dialects.loading import Dialects
from agentguard.evidence.service import EvidenceService
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.projection import GraphProjection
from agentguard.graph.selection import GraphSelector
from agentguard.graph.service import GraphService
from agentguard.graph.storage.dataset_deletion import DatasetService
from agentguard.graph.storage.versions import Graphs
from agentguard.health import HealthCheck
from agentguard.incidents.recoveries import PastIncidents
from agentguard.incidents.service import IncidentService
from agentguard.incidents.viewing import IncidentViews
from agentguard.jobs.attempts import Attempts, Work
from agentguard.jobs.dispatch import JobDispatcher
from agentguard.jobs.model import JobKind
from agentguard.jobs.queue import Jobs
from agentguard.jobs.sweep import Sweep
from agentguard.notifications.service import NotificationService
from agentguard.playbooks.refining import Refiner
from agentguard.playbooks.service import KIND as PLAYBOOK
from agentguard.playbooks.service import PlaybookService
from agentguard.playbooks.templates import Templates
from agentguard.retention.expiries import ExpiryLog
from agentguard.scan.explaining import StoredTraces
from agentguard.scan.jobs import KIND as SCAN
from agentguard.scan.jobs import ScanJobs
from agentguard.scan.live import LiveGraph, StoredLiveWindows
from agentguard.scan.service import ScanService
from agentguard.scan.trace_service import TraceService
from agentguard.settings import Settings
from agentguard.simulation.model import Thresholds
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.service import SimulationService
from agentguard.simulation.storage.service import StoredSimulations
from agentguard.traces.compaction import Compactor
from agentguard.traces.receiver import Receiver
from agentguard.traces.store import SpanStore


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts that only a server has: it receives spans, and delivers jobs."""

    receiver: Receiver
    spans: SpanStore
    live: LiveGraph
    compactor: Compactor
    sweep: Sweep
    dispatcher: JobDispatcher
    housekeeping: Keeper
    sequencing: SequencingLoop
    refused: RefusedAccess


@dataclass(frozen=True, slots=True)
class Shared:
    """What processes share for speed; in this process alone where there is no Redis."""

    cache: Cache
    notices: Notices
    limits: RateLimits | None
    """None: the number of requests is not limited."""
    ping_redis: Callable[[], Awaitable[None]] | None = None
    """Raises RedisUnavailableError where Redis does not answer; None where it is not set."""


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a shell needs, opened."""

    settings: Settings
    graphs: Graphs
    declared: Catalog | None
    links: TraceLinks
    scans: ScanService
    shared: Shared
    jobs: Jobs
    windows: StoredLiveWindows
    traces: StoredTraces
    outbox: Dispatcher
    retention: Retention
    datasets: DatasetService
    audit: AuditService
    witnesses: tuple[VerifierKey, ...]
    """Those who may cosign checkpoints."""
    accounts: Accounts
    anchoring: Anchoring
    templates: Templates
    """Of playbooks."""
    refiner: Refiner | None
    """None: no language model is set."""
    receivers: Receivers
    """Who is told about incidents."""
    projection: GraphProjection | None = None
    """None: the newest graph is shown nowhere else."""
    serving: Serving | None = None
    parts: tuple[HealthCheck, ...] = ()
    """What must work for a server to be ready."""
    analyses: RecentAnalyses = field(default_factory=RecentAnalyses)

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
    def workers(self) -> tuple[Pool[Dialects], ...]:
        """The pools of scans and of queries."""
        return self.scans.workers, self.scans.large_workers, self.windows.workers

    @property
    def dialects(self) -> Dialects:
        return self.scans.dialects()

    @property
    def key_rotation(self) -> KeyRotation:
        return KeyRotation(self.audit.unit_of_work, self.scans.clock)

    @property
    def selector(self) -> GraphSelector:
        return GraphSelector(self.graphs, self.windows)

    @property
    def graph(self) -> GraphService:
        return GraphService(
            self.selector,
            self.graphs,
            viewer(self.declared, self.links),
            self.analysis,
            self.settings.max_answer_items,
        )

    @property
    def analysis(self) -> AnalysisService:
        return AnalysisService(self.selector, self.declared, self.links, self.analyses)

    @property
    def risk_history(self) -> RiskHistory:
        return RiskHistory(self.selector, self.graphs)

    @property
    def mitigations(self) -> MitigationService:
        return MitigationService(self.selector, self.declared)

    @property
    def diffs(self) -> DiffService:
        return DiffService(self.selector, self.declared, self.links, self.scans.clock)

    @property
    def catalog(self) -> CatalogService:
        return CatalogService(
            self.graphs, self.declared, self.links, self.scans.clock, self.settings.ghost_days
        )

    @property
    def simulations(self) -> SimulationService:
        return SimulationService(
            self.selector, self.declared, self.links, self.thresholds, self.jobs
        )

    @property
    def stored_simulations(self) -> StoredSimulations:
        return StoredSimulations(
            self.retention.kept.unit_of_work,
            self.simulations,
            self.scans.clock,
            version_of("agentguard"),
        )

    @property
    def incidents(self) -> IncidentService:
        return IncidentService(
            self.retention.kept.unit_of_work, self.selector, self.outbox, self.scans.clock
        )

    @property
    def incident_views(self) -> IncidentViews:
        return IncidentViews(self.retention.kept.unit_of_work, self.selector)

    @property
    def notifications(self) -> NotificationService:
        return NotificationService(self.retention.kept.unit_of_work, self.receivers)

    @property
    def playbooks(self) -> PlaybookService:
        past = PastIncidents(self.retention.kept.unit_of_work)
        return PlaybookService(self.simulations, self.jobs, self.templates, self.refiner, past)

    @property
    def stored_traces(self) -> TraceService:
        spans, workers = self.traces.spans, self.traces.workers
        return TraceService(spans, self.graphs, ExpiryLog(self.audit), workers, self.links)

    @property
    def evidence(self) -> EvidenceService:
        return EvidenceService(
            self.selector,
            self.analysis,
            self.stored_simulations,
            self.jobs,
            self.incident_views,
            self.traces.spans,
            self.graphs,
            self.traces.workers,
            self.links,
        )

    @property
    def uploaded(self) -> ScanJobs:
        return ScanJobs(
            self.scans,
            self.settings.data_dir / "uploads",
            self.jobs,
            self.settings.job_bytes,
        )

    @property
    def attempts(self) -> Attempts:
        """What runs jobs, in a server as in a worker."""
        works = {kind: work(self) for kind, work in WORKS.items()}
        return Attempts(
            self.jobs.store,
            works,
            self.jobs.clock,
            self.settings.job_attempts,
            self.settings.job_lease_seconds,
        )

    @property
    def cosigning(self) -> CosigningService:
        return CosigningService(self.audit.unit_of_work, self.witnesses)

    @property
    def thresholds(self) -> Thresholds:
        return Thresholds(
            self.settings.severity_critical,
            self.settings.severity_high,
            self.settings.severity_medium,
        )


WORKS: Mapping[str, Callable[[App], Work]] = {
    SCAN: lambda app: Work(app.uploaded.run, app.uploaded.clear),
    SIMULATION: lambda app: Work(app.stored_simulations.run),
    PLAYBOOK: lambda app: Work(app.playbooks.run),
    JobKind.AUDIT.value: lambda app: Work(app.anchoring.work),
}
"""The explicit table of jobs: kind → function."""

PERMISSIONS: Mapping[str, Permission] = {
    SCAN: Permission.OPERATE,
    SIMULATION: Permission.SIMULATE,
    PLAYBOOK: Permission.SIMULATE,
    JobKind.AUDIT.value: Permission.OPERATE,
}
"""Kind → what submitting such a job requires."""
