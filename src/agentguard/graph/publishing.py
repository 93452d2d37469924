"""Graph versions, announced: whoever waits for a new one need not look all the time."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.coordination.notices import Notices
from agentguard.graph.history import History
from agentguard.graph.runs import Runs
from agentguard.graph.store import Dataset, GraphStore, GraphVersion
from agentguard.kernel.stable_json import stable_json

GRAPH_STORED = "graph"
"""The topic; a notice names the dataset and its new version, as JSON."""


@dataclass(frozen=True, slots=True)
class AnnouncedGraphs:
    """A GraphStore that tells of each version once it is durable."""

    store: GraphStore
    notices: Notices

    async def put(self, version: GraphVersion, runs: Runs) -> None:
        await self.store.put(version, runs)
        notice = stable_json({"dataset": version.dataset, "graph_version": version.id})
        await self.notices.publish(GRAPH_STORED, notice.decode())

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        return await self.store.newest(dataset)

    async def get(self, version_id: str) -> GraphVersion:
        return await self.store.get(version_id)

    async def runs(self, version_id: str) -> Runs:
        return await self.store.runs(version_id)

    async def datasets(self) -> tuple[Dataset, ...]:
        return await self.store.datasets()

    async def history(self) -> History:
        return await self.store.history()

    async def sweep(self) -> int:
        return await self.store.sweep()

    async def ping(self) -> None:
        await self.store.ping()
