"""Retention of graph versions, their runs and the history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from agentguard.coordination.outbox import Outbox
from agentguard.graph.storage.history import KEPT_DAYS
from agentguard.graph.storage.publishing import PROJECTION
from agentguard.graph.storage.store import (
    GRACE,
    LIVE,
    ComponentHistories,
    GraphVersions,
    RunStore,
    VersionRecord,
)
from agentguard.graph.storage.version_cache import RecentVersions
from agentguard.graph.storage.versions import Graphs
from agentguard.kernel.clock import NS_PER_DAY
from agentguard.retention.citations import Citations
from agentguard.retention.policy import Item, Limit, Usage, expired, usage_of


class GraphRetentionStores(Protocol):
    """What deleting graph versions needs."""

    @property
    def graphs(self) -> GraphVersions: ...

    @property
    def citations(self) -> Citations: ...

    @property
    def outbox(self) -> Outbox: ...


class HistoryStores(Protocol):
    """What forgetting history needs."""

    @property
    def history(self) -> ComponentHistories: ...


@dataclass(frozen=True, slots=True)
class GraphLimits:
    """Bounds of graph versions."""

    versions: Limit
    """Per dataset; the newest version of a dataset is kept as long as its dataset."""
    datasets: Limit
    """Of all but `live`; a dataset is as old as its newest version."""


def expired_versions(
    versions: Sequence[VersionRecord], limits: GraphLimits, now: int, cited: Collection[str]
) -> tuple[str, ...]:
    """Return the ids of the versions to delete; `versions` is in the order of writing.

    Cited versions stay, and so do those made within GRACE.
    """
    datasets = _by_dataset(versions)
    gone = frozenset(_expired_datasets(datasets, limits.datasets, now, cited))
    pinned = {*cited, *(v.item.id for v in versions if v.item.created_at >= now - GRACE)}
    ids: list[str] = []
    for name, items in datasets.items():
        if name in gone:
            ids += [item.id for item in items if item.id not in pinned]
        else:
            ids += expired(items, _beside_newest(limits.versions), now, {*pinned, items[-1].id})
    return tuple(ids)


def _by_dataset(versions: Iterable[VersionRecord]) -> dict[str, list[Item]]:
    ordered = sorted(versions, key=lambda v: v.dataset)  # stable: the order of writing stays
    return {name: [v.item for v in group] for name, group in groupby(ordered, lambda v: v.dataset)}


def _expired_datasets(
    datasets: Mapping[str, Sequence[Item]], limit: Limit, now: int, cited: Collection[str]
) -> tuple[str, ...]:
    newest = [
        Item(name, items[-1].created_at, sum(item.bytes for item in items))
        for name, items in datasets.items()
    ]
    pinned = {name for name, items in datasets.items() if items[-1].id in cited}
    return expired(newest, limit, now, {LIVE, *pinned})


def _beside_newest(limit: Limit) -> Limit:
    return Limit(limit.age, None if limit.number is None else limit.number - 1, limit.bytes)


@dataclass(frozen=True, slots=True)
class VersionRetention:
    """A RetainedRows: graph versions with their run files."""

    run_store: RunStore
    recent: RecentVersions
    limits: GraphLimits
    projected: bool
    """Whether the newest graph is also shown in a projection."""
    kind: str = "graph_versions"

    async def usage(self, stores: GraphRetentionStores) -> Usage:
        return usage_of([v.item for v in await stores.graphs.records()])

    async def expire(self, stores: GraphRetentionStores, now: int) -> tuple[str, ...]:
        versions, cited = await stores.graphs.records(), await stores.citations.cited()
        ids = expired_versions(versions, self.limits, now, cited)
        return await self.delete(stores, ids)

    async def purge(
        self, stores: GraphRetentionStores, before: int, *, include_cited: bool
    ) -> tuple[str, ...]:
        cited = frozenset[str]() if include_cited else await stores.citations.cited()
        ids = [
            v.item.id
            for v in await stores.graphs.records()
            if v.item.created_at < before and v.item.id not in cited
        ]
        return await self.delete(stores, ids)

    async def delete(self, stores: GraphRetentionStores, ids: Sequence[str]) -> tuple[str, ...]:
        """Delete these versions and their citations, and let the projection follow."""
        if ids:
            await stores.citations.forget(ids)
            await stores.graphs.delete(ids)
            if self.projected:
                await stores.outbox.put(PROJECTION, "newest", {})
        return tuple(ids)

    async def deleted(self, ids: tuple[str, ...]) -> None:
        self.recent.forget(ids)
        await self.run_store.delete(ids)


@dataclass(frozen=True, slots=True)
class HistoryRetention:
    """A RetainedRows: the history of components, which forgets after a year."""

    kind: str = "component_history"

    async def usage(self, stores: HistoryStores) -> Usage:
        return await stores.history.usage()

    async def expire(self, stores: HistoryStores, now: int) -> tuple[str, ...]:
        return await stores.history.forget((now // NS_PER_DAY - KEPT_DAYS) * NS_PER_DAY)

    async def purge(
        self,
        stores: HistoryStores,
        before: int,
        *,
        include_cited: bool,  # noqa: ARG002
    ) -> tuple[str, ...]:
        return await stores.history.forget(before)

    async def deleted(self, ids: tuple[str, ...]) -> None:
        """Do nothing: history has no files."""


@dataclass(frozen=True, slots=True)
class RunRetention:
    """A LeftoverFiles: run files, which are deleted with their versions."""

    graphs: Graphs
    kind: str = "runs"

    async def usage(self) -> Usage:
        return await self.graphs.run_store.usage()

    async def expire(self, now: int) -> int:  # noqa: ARG002
        return await self.graphs.sweep()

    async def purge(self, before: int) -> int:  # noqa: ARG002
        return await self.graphs.sweep()
