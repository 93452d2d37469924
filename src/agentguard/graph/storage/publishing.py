"""Stores graph versions: run files first, then one transaction, then what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Generic, Protocol, TypeVar

import orjson
import pyarrow as pa

from agentguard.accounts.principal import Permission, Principal
from agentguard.audit.cited import GRAPH_HASH
from agentguard.audit.recording import AuditTrail, traces_in
from agentguard.audit.store import AuditLog
from agentguard.coordination.dispatching import Dispatcher, Handler
from agentguard.coordination.notices import Notices
from agentguard.coordination.outbox import Outbox, OutboxEntry
from agentguard.graph.failure_history import merged
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.storage.history import History, history_of
from agentguard.graph.storage.known_failures import known_failures
from agentguard.graph.storage.store import (
    LIVE,
    ComponentHistories,
    GraphVersion,
    GraphVersions,
    RunStore,
)
from agentguard.graph.storage.version_cache import RecentVersions
from agentguard.kernel.stable_json import stable_json
from agentguard.unit_of_work import UnitOfWork

GRAPH_STORED = "graph"
"""A topic of the outbox and of notices: a dataset has a new version; both named, as JSON."""
PROJECTION = "graph-projection"
"""A topic of the outbox: the projection must show the newest version."""


class PublishStores(Protocol):
    """What storing a version needs."""

    @property
    def graphs(self) -> GraphVersions: ...

    @property
    def history(self) -> ComponentHistories: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def audit(self) -> AuditLog: ...


S_co = TypeVar("S_co", bound=PublishStores, covariant=True)


@dataclass(frozen=True, slots=True)
class _Document:
    """A graph as it is stored."""

    json: bytes
    traces: tuple[str, ...]
    """The first that it names as evidence, in the order of the document."""

    @classmethod
    def of(cls, graph: Graph) -> _Document:
        """Write the graph. CPU-bound."""
        written = stable_json(graph)
        return cls(written, traces_in(orjson.loads(written)))


@dataclass(frozen=True, slots=True)
class GraphPublisher(Generic[S_co]):
    """Stores new graph versions; housekeeping deletes old ones."""

    unit_of_work: UnitOfWork[S_co]
    run_store: RunStore
    recent: RecentVersions
    outbox: Dispatcher
    projected: bool
    """Whether the graphs are also shown in a projection."""
    failures: Callable[[Graph, Runs], pa.Table]
    """Returns what the runs tell of failures (FAILURE_SCHEMA); later versions know it too."""
    trail: AuditTrail = field(default_factory=AuditTrail)

    async def publish(
        self,
        actor: Principal,
        version: GraphVersion,
        runs: Runs,
        *,
        await_projection: bool = True,
        guard: Callable[[S_co], Awaitable[None]] | None = None,
    ) -> bool:
        """Store a version with its runs, its history and its follow-ups; durable on return.

        Readers see all of it or nothing; it is the newest from then on. Returns False if the
        projection does not show it yet: the outbox goes on trying. Raises PermissionDeniedError;
        VersionExistsError, and changes nothing, where the id is taken. After any other error the
        version may be there, whole, or not. `guard` runs first in the same transaction; if it
        raises, nothing is stored.
        """
        actor.require(Permission.OPERATE)
        document = await asyncio.to_thread(_Document.of, version.graph)
        seen = await asyncio.to_thread(history_of, version.graph, runs)
        runs = await self._with_failures(version, runs)
        async with runs_first(self.run_store, version.id, runs) as commit:
            await self._write(actor, version, document, seen, commit, guard)
        self.recent.add(version)
        await self.outbox.deliver(GRAPH_STORED)
        if not self.projected:
            return True
        return await_projection and await self.outbox.drain(PROJECTION)

    async def _with_failures(self, version: GraphVersion, runs: Runs) -> Runs:
        """Return the runs with the failures of this version and of those before it."""
        before = await known_failures(self.unit_of_work, self.run_store, version.dataset)
        own = await asyncio.to_thread(self.failures, version.graph, runs)
        return replace(runs, failures=merged([before, own]))

    async def _write(
        self,
        actor: Principal,
        version: GraphVersion,
        document: _Document,
        seen: History,
        commit: Commit,
        guard: Callable[[S_co], Awaitable[None]] | None,
    ) -> None:
        """Write everything in one transaction."""

        async def work(stores: S_co) -> None:  # type: ignore[misc]  # no method of the class
            commit.begun = False
            if guard is not None:
                await guard(stores)
            await stores.graphs.add(version, document.json)
            await stores.history.add(seen)
            await self._announce(stores.outbox, version)
            await self._record(stores.audit, actor, version, document)
            commit.begun = True

        await self.unit_of_work.run(work)

    async def _record(
        self, log: AuditLog, actor: Principal, version: GraphVersion, document: _Document
    ) -> None:
        """Leave an entry; refreshes of the live graph are too many for that."""
        if version.dataset == LIVE:
            return
        facts = {
            "components": len(version.graph.components),
            "dependencies": len(version.graph.dependencies),
            GRAPH_HASH: sha256(document.json).hexdigest(),
            "spans": version.graph.coverage.spans,
        }
        await self.trail.record(
            log,
            actor,
            "scan.stored",
            object_id=version.dataset,
            graph_version=version.id,
            evidence=document.traces,
            payload=facts,
        )

    async def _announce(self, outbox: Outbox, version: GraphVersion) -> None:
        told = {"dataset": version.dataset, "graph_version": version.id}
        await outbox.put(GRAPH_STORED, version.dataset, told)
        if self.projected:
            await outbox.put(PROJECTION, "newest", told)


def graph_notices(notices: Notices) -> Handler:
    """Return the handler of GRAPH_STORED: it publishes a notice."""

    async def publish(entry: OutboxEntry) -> None:
        await notices.publish(GRAPH_STORED, stable_json(entry.payload).decode())

    return publish


@dataclass(slots=True)
class Commit:
    """The commit of the row that owns a version's runs."""

    begun: bool = False
    """Whether it may have happened: from then on an error does not mean that the row is absent."""


@asynccontextmanager
async def runs_first(store: RunStore, version_id: str, runs: Runs) -> AsyncIterator[Commit]:
    """Write the run files, then let the body write the row that owns them.

    If the body fails before its commit, the files are deleted. If it fails later they stay: the
    row may be there, and if it is not, `sweep` deletes them.
    """
    await store.put(version_id, runs)
    commit = Commit()
    try:
        yield commit
    except BaseException:
        if not commit.begun:
            await store.delete([version_id])
        raise
