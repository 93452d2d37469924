"""Reads stored graph versions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import pyarrow as pa

from agentguard.coordination.sharing import SharedReads
from agentguard.graph.errors import NoGraphError
from agentguard.graph.runs import Runs, calls_of_trace
from agentguard.graph.storage.history import History
from agentguard.graph.storage.known_failures import known_failures
from agentguard.graph.storage.store import (
    LIVE,
    ComponentHistories,
    Dataset,
    GraphVersion,
    GraphVersions,
    RunStore,
)
from agentguard.graph.storage.unstored import UnstoredVersions
from agentguard.graph.storage.version_cache import RecentVersions
from agentguard.unit_of_work import UnitOfWork


class GraphReadStores(Protocol):
    """What reading needs."""

    @property
    def graphs(self) -> GraphVersions: ...

    @property
    def history(self) -> ComponentHistories: ...


@dataclass(frozen=True, slots=True)
class Graphs:
    """The stored graph versions, shared by any number of processes.

    Every method raises UnavailableError where the database is unreachable.
    """

    unit_of_work: UnitOfWork[GraphReadStores]
    run_store: RunStore
    recent: RecentVersions = field(default_factory=RecentVersions)
    unstored: UnstoredVersions = field(default_factory=UnstoredVersions)
    _reads: SharedReads[GraphVersion] = field(default_factory=SharedReads)
    _lists: SharedReads[tuple[Dataset, ...]] = field(default_factory=SharedReads)

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        """Return the newest version of the dataset, or of the dataset last written.

        That of `live` may only be in memory, see `keep`. Raise NoGraphError if there is none.
        """
        if dataset == LIVE:
            if computed := self.unstored.newest:
                return computed.version
            await self.unstored.ask()
        return await self._reads.of(dataset, lambda: self._newest(dataset))

    async def _newest(self, dataset: str | None) -> GraphVersion:

        async def work(stores: GraphReadStores) -> GraphVersion | Callable[[], GraphVersion]:
            version_id = await stores.graphs.newest_id(dataset)
            if version_id is None:
                raise NoGraphError.of(dataset)
            return self.recent.get(version_id) or await stores.graphs.get(version_id)

        found = await self.unit_of_work.read(work)
        return found if isinstance(found, GraphVersion) else await self._parsed(found)

    async def get(self, version_id: str) -> GraphVersion:
        """Return this version; raise NoGraphError if it is not kept."""
        if computed := self.unstored.get(version_id):
            return computed.version

        async def work(stores: GraphReadStores) -> GraphVersion | Callable[[], GraphVersion]:
            known = self.recent.get(version_id)
            if known is not None and await stores.graphs.is_kept(version_id):
                return known
            return await stores.graphs.get(version_id)

        found = await self.unit_of_work.read(work)
        return found if isinstance(found, GraphVersion) else await self._parsed(found)

    async def runs(self, version_id: str) -> Runs:
        """Return the runs behind this version; raise NoGraphError if they are not kept."""
        if computed := self.unstored.get(version_id):
            return await asyncio.to_thread(computed.runs.unpacked)
        return await self.run_store.get(version_id)

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        """Return the calls of one trace behind this version, see graph.runs.calls_of_trace.

        Raises NoGraphError if the runs are not kept.
        """
        if computed := self.unstored.get(version_id):
            runs = await asyncio.to_thread(computed.runs.unpacked)
            return await asyncio.to_thread(calls_of_trace, [runs.calls], trace_id)
        return await self.run_store.calls_of_trace(version_id, trace_id)

    async def newest_ids(self, dataset: str, most: int) -> tuple[str, ...]:
        """Return the ids of the newest stored versions of the dataset, newest first."""
        return await self.unit_of_work.read(lambda stores: stores.graphs.newest_ids(dataset, most))

    async def failures(self, dataset: str) -> pa.Table:
        """Return the failures of earlier windows, see graph.storage.known_failures."""
        return await known_failures(self.unit_of_work, self.run_store, dataset)

    def as_of(self, newest: GraphVersion) -> int:
        """Return until when (ns) the newest version of its dataset has all spans.

        That of `live` may lag behind the spans; a process that does not compute it only knows when
        it was computed.
        """
        known = self.unstored.as_of if newest.dataset == LIVE else 0
        return known or newest.created_at

    async def keep(self, version_id: str) -> None:
        """Store the version if it is only in memory, because a result cites it."""
        await self.unstored.keep(version_id)

    async def datasets(self) -> tuple[Dataset, ...]:
        """Return all datasets, last written first."""
        found = await self._lists.of(
            None, lambda: self.unit_of_work.read(lambda stores: stores.graphs.datasets())
        )
        return tuple(self._as_computed(each) for each in found)

    async def history(self) -> History:
        """Return what was seen in the last year, in any dataset."""
        return await self.unit_of_work.read(lambda stores: stores.history.read())

    async def sweep(self) -> int:
        """Delete run files over an hour old that no version owns; return how many.

        Writers leave them behind when they die between the files and the transaction.
        """
        owned = await self.unit_of_work.read(lambda stores: stores.graphs.ids())
        return await self.run_store.sweep(owned)

    def _as_computed(self, dataset: Dataset) -> Dataset:
        """Return the dataset with its newest version, which may only be in memory."""
        computed = self.unstored.newest
        if dataset.name != LIVE or computed is None:
            return dataset
        version = computed.version
        return replace(
            dataset,
            newest_version=version.id,
            created_at=version.created_at,
            components=len(version.graph.components),
            dependencies=len(version.graph.dependencies),
        )

    async def _parsed(self, parse: Callable[[], GraphVersion]) -> GraphVersion:
        """Parse in a thread, with no transaction open."""
        version = await asyncio.to_thread(parse)
        self.recent.add(version)
        return version
