"""The UnitOfWork over a database: one connection, one transaction, all stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from agentguard.accounts.store import ApiKeys, Sessions, SignIns, Users
from agentguard.adapters.sql.anchors import SqlAnchors
from agentguard.adapters.sql.api_keys import SqlApiKeys
from agentguard.adapters.sql.audit import SqlAuditLog
from agentguard.adapters.sql.citations import SqlCitations
from agentguard.adapters.sql.database import Database
from agentguard.adapters.sql.expiry_clock import SqlExpiryClocks
from agentguard.adapters.sql.graphs import SqlGraphVersions
from agentguard.adapters.sql.history import SqlComponentHistories
from agentguard.adapters.sql.incidents import SqlIncidentStore
from agentguard.adapters.sql.jobs import SqlJobStore
from agentguard.adapters.sql.leases import SqlLeases
from agentguard.adapters.sql.notifications import SqlNotificationStore
from agentguard.adapters.sql.outbox import SqlOutbox
from agentguard.adapters.sql.sessions import SqlSessions
from agentguard.adapters.sql.sign_ins import SqlSignIns
from agentguard.adapters.sql.simulations import SqlSimulationStore
from agentguard.adapters.sql.users import SqlUsers
from agentguard.audit.anchor_store import AnchorStore
from agentguard.audit.store import AuditLog
from agentguard.coordination.leases import Leases
from agentguard.coordination.outbox import Outbox
from agentguard.graph.storage.store import ComponentHistories, GraphVersions
from agentguard.incidents.store import IncidentStore
from agentguard.jobs.store import JobStore
from agentguard.kernel.clock import Clock
from agentguard.notifications.store import NotificationStore
from agentguard.retention.citations import Citations
from agentguard.retention.expiry_clock import ExpiryClocks
from agentguard.simulation.storage.store import SimulationStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SqlStores:
    """Every store, bound to one transaction; none opens a transaction of its own."""

    connection: AsyncConnection
    clock: Clock

    @property
    def graphs(self) -> GraphVersions:
        return SqlGraphVersions(self.connection)

    @property
    def citations(self) -> Citations:
        return SqlCitations(self.connection)

    @property
    def history(self) -> ComponentHistories:
        return SqlComponentHistories(self.connection)

    @property
    def jobs(self) -> JobStore:
        return SqlJobStore(self.connection)

    @property
    def simulations(self) -> SimulationStore:
        return SqlSimulationStore(self.connection)

    @property
    def incidents(self) -> IncidentStore:
        return SqlIncidentStore(self.connection)

    @property
    def notifications(self) -> NotificationStore:
        return SqlNotificationStore(self.connection)

    @property
    def expiry_clock(self) -> ExpiryClocks:
        return SqlExpiryClocks(self.connection)

    @property
    def keys(self) -> ApiKeys:
        return SqlApiKeys(self.connection)

    @property
    def users(self) -> Users:
        return SqlUsers(self.connection)

    @property
    def sessions(self) -> Sessions:
        return SqlSessions(self.connection)

    @property
    def sign_ins(self) -> SignIns:
        return SqlSignIns(self.connection)

    @property
    def leases(self) -> Leases:
        return SqlLeases(self.connection)

    @property
    def audit(self) -> AuditLog:
        return SqlAuditLog(self.connection)

    @property
    def anchors(self) -> AnchorStore:
        return SqlAnchors(self.connection)

    @property
    def outbox(self) -> Outbox:
        return SqlOutbox(self.connection, self.clock)


@dataclass(frozen=True, slots=True)
class SqlUnitOfWork:
    """A UnitOfWork[SqlStores]."""

    database: Database
    clock: Clock

    async def run(self, work: Callable[[SqlStores], Awaitable[T]]) -> T:
        return await self.database.write(lambda c: work(SqlStores(c, self.clock)))

    async def read(self, work: Callable[[SqlStores], Awaitable[T]]) -> T:
        async with self.database.reading() as connection:
            return await work(SqlStores(connection, self.clock))
