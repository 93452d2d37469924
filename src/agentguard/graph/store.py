"""The port to where graph versions are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from agentguard.graph.history import History
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs

LIVE = "live"
"""The dataset that OTLP deliveries feed."""


@dataclass(frozen=True, slots=True)
class GraphVersion:
    """One stored graph: immutable once written."""

    id: str
    """Sortable by the time at which it was asked for. A job's version has the job's id: running the job again does not make another."""
    dataset: str
    created_at: int
    """ns."""
    graph: Graph


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named set of spans with graph versions of its own."""

    name: str
    newest_version: str
    created_at: int
    """Of the newest version, ns."""
    components: int
    dependencies: int


class GraphStore(Protocol):
    """Graph versions by dataset."""

    async def put(self, version: GraphVersion, runs: Runs) -> None:
        """Add a version with its runs. Durable once this returns; readers see all of it or nothing of it.

        Where a version with this id is there already, also one that another process adds just now, nothing is changed.
        """

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        """Return the newest version of the dataset, or of the dataset last written; raise NoGraphError if there is none."""

    async def get(self, version_id: str) -> GraphVersion:
        """Return this version; raise NoGraphError if it is not kept."""

    async def runs(self, version_id: str) -> Runs:
        """Return the runs behind this version; raise NoGraphError if it is not kept."""

    async def datasets(self) -> tuple[Dataset, ...]:
        """Return all datasets, last written first."""

    async def history(self) -> History:
        """Return what was ever seen, in any dataset, also of versions that are not kept any more; for a year after it was last seen."""
