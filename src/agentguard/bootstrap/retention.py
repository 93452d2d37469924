"""Joins everything that is kept with its limits."""

from __future__ import annotations

from typing import TypeAlias

from agentguard.adapters.files.retention import (
    BodyRetention,
    LogRetention,
    QuarantineRetention,
    SpanRetention,
)
from agentguard.adapters.sql.unit_of_work import SqlStores, SqlUnitOfWork
from agentguard.graph.storage.retention import (
    GraphLimits,
    HistoryRetention,
    RunRetention,
    VersionRetention,
)
from agentguard.graph.storage.versions import Graphs
from agentguard.incidents.retention import IncidentRetention
from agentguard.jobs.model import ENDED, Job
from agentguard.jobs.retention import JobRetention
from agentguard.jobs.store import JobFilter
from agentguard.kernel.clock import NS_PER_DAY, NS_PER_HOUR
from agentguard.notifications.attempts import Patience
from agentguard.notifications.retention import NotificationRetention
from agentguard.playbooks.service import KIND as PLAYBOOK
from agentguard.retention.backlog import OutboxBacklog
from agentguard.retention.housekeeping import Housekeeping, KeptData
from agentguard.retention.payloads import PayloadRetention
from agentguard.retention.policy import Limit
from agentguard.retention.retained import RetainedRows
from agentguard.retention.service import RetentionService
from agentguard.scan.jobs import KIND as SCAN
from agentguard.scan.uploads import UploadRetention
from agentguard.settings import Settings
from agentguard.simulation.service import KIND as SIMULATION
from agentguard.simulation.storage.retention import SimulationRetention

_ENDED_SCANS = JobFilter(states=ENDED, kinds=(SCAN,))

Kept: TypeAlias = KeptData[SqlStores]
Keeper: TypeAlias = Housekeeping[SqlStores]
Retention: TypeAlias = RetentionService[SqlStores]


def kept_data(settings: Settings, unit_of_work: SqlUnitOfWork, graphs: Graphs) -> Kept:
    """Return every kind of kept data: first what cites graph versions."""
    received = Limit(
        int(settings.retention_hours * NS_PER_HOUR), bytes=settings.retention_spans_bytes
    )
    folder = settings.data_dir
    rows: tuple[RetainedRows[SqlStores], ...] = (
        *_payloads(settings),
        JobRetention(_limit(settings.jobs_days, settings.jobs_kept)),
        SimulationRetention(_limit(settings.simulations_days, settings.simulations_kept)),
        IncidentRetention(_limit(settings.incidents_days, settings.incidents_kept)),
        _notifications(settings),
        version_retention(settings, graphs),
        HistoryRetention(),
        OutboxBacklog(),
    )
    uploads = UploadRetention(
        folder / "uploads",
        lambda: unit_of_work.read(lambda stores: stores.jobs.unfinished()),
        lambda: unit_of_work.read(
            lambda stores: stores.jobs.newest(_ENDED_SCANS, settings.jobs_kept)
        ),
        settings.upload_seconds,
        unit_of_work.clock,
    )
    files = (
        SpanRetention(folder, received),
        BodyRetention(folder, received),
        LogRetention(folder),
        QuarantineRetention(folder, received),
    )
    return KeptData(unit_of_work, rows, files, leftovers=(RunRetention(graphs), uploads))


def _payloads(settings: Settings) -> tuple[PayloadRetention, ...]:
    days = settings.audit_payload_days
    return () if days is None else (PayloadRetention(_days(days)),)


def _notifications(settings: Settings) -> NotificationRetention:
    limit = _limit(settings.notifications_days, settings.notifications_kept)
    return NotificationRetention(limit, Patience(settings.notification_hours))


def version_retention(settings: Settings, graphs: Graphs) -> VersionRetention:
    limits = GraphLimits(
        versions=_limit(settings.versions_days, settings.versions_kept),
        datasets=_limit(settings.datasets_days, settings.datasets_kept),
    )
    return VersionRetention(
        graphs.run_store, graphs.recent, limits, projected=settings.neo4j is not None
    )


def cited_version(job: Job) -> str | None:
    """Return the graph version that a simulation's or playbook's result cites."""
    if job.kind not in (SIMULATION, PLAYBOOK) or job.result is None:
        return None
    version = job.result.get("graph_version")
    return None if version is None else str(version)


def _limit(days: float, number: int) -> Limit:
    return Limit(_days(days), number)


def _days(days: float) -> int:
    return int(days * NS_PER_DAY)
