"""The ports to where graph versions are kept, and the recorded runs behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from agentguard.graph.history import History
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.kernel.clock import NS_PER_SECOND

LIVE = "live"
"""The dataset that OTLP deliveries feed."""

GRACE = 60 * NS_PER_SECOND
"""ns. A version is kept at least this long after it was made, for who found it and has not read its
runs yet.
"""


@dataclass(frozen=True, slots=True)
class GraphVersion:
    """One stored graph: immutable once written."""

    id: str
    """Sortable by the time at which it was asked for. Each attempt at a job stores under an id of
    its own, the job's and its number.
    """
    dataset: str
    created_at: int
    """ns, in whole microseconds."""
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
    """Graph versions by dataset, shared by any number of processes.

    The newest versions of each dataset are kept, as many as the store was told to, and those made
    within GRACE; `put` lets the others go. A store that cannot be reached raises UnavailableError.
    """

    async def put(self, version: GraphVersion, runs: Runs) -> None:
        """Add a version with its runs.

        Durable once this returns; readers see all of it or nothing of it.

        It is the newest from then on, whatever the times in it say. Raises VersionExistsError, and
        changes nothing, where its id is kept already. After any other error it may be there, whole,
        or not.
        """

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        """Return the newest version of the dataset, or of the dataset last written.

        Raise NoGraphError if there is none.
        """

    async def get(self, version_id: str) -> GraphVersion:
        """Return this version; raise NoGraphError if it is not kept."""

    async def runs(self, version_id: str) -> Runs:
        """Return the runs behind this version; raise NoGraphError if it is not kept."""

    async def datasets(self) -> tuple[Dataset, ...]:
        """Return all datasets, last written first."""

    async def history(self) -> History:
        """Return what was ever seen, in any dataset, also of versions that are not kept any more.

        For a year after it was last seen.
        """

    async def sweep(self) -> int:
        """Delete what writers that died left behind, over an hour old.

        Return how many files of runs. Others may write meanwhile.
        """

    async def ping(self) -> None:
        """Ask where the graphs are kept for a sign of life: a real question, really answered."""


class RunStore(Protocol):
    """The recorded runs of graph versions, kept apart from the graphs.

    Who finds a version may read its runs from any process.
    """

    async def put(self, version_id: str, runs: Runs) -> None:
        """Keep them.

        Durable and whole once this returns, not there before; raise VersionExistsError where this
        version has runs.
        """

    async def get(self, version_id: str) -> Runs:
        """Return them; raise NoGraphError if they are not kept."""

    async def delete(self, version_ids: Iterable[str]) -> None:
        """Let the runs of these versions go; those that are not there are no error."""

    async def sweep(self, owned: Collection[str]) -> int:
        """Delete files over an hour old that belong to none of these versions; return how many.

        Where there are no versions at all nothing is deleted: a store that was just emptied or
        exchanged may come back.
        """
