"""The ports to stored graph versions, their history and the recorded runs behind them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.storage.history import History
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.retention.policy import Item, Usage

LIVE = "live"
"""The dataset that OTLP deliveries feed."""

GRACE = 60 * NS_PER_SECOND
"""ns. A version is kept at least this long, for readers that found it and still read its runs."""


@dataclass(frozen=True, slots=True)
class GraphVersion:
    """One stored graph: immutable once written."""

    id: str
    """Sortable by time. Each attempt at a job has an id of its own: the job's and a number."""
    dataset: str
    created_at: int
    """ns, in whole microseconds."""
    graph: Graph


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named set of spans, and its newest graph version."""

    name: str
    newest_version: str
    created_at: int
    """Of the newest version, ns."""
    components: int
    dependencies: int
    versions: int
    """How many are kept."""
    bytes: int
    """Of all its versions' graphs, without runs."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """What retention knows of a version."""

    dataset: str
    item: Item


class GraphVersions(Protocol):
    """Graph versions by dataset; every method runs in the caller's transaction."""

    async def add(self, version: GraphVersion, document: bytes) -> None:
        """Add a version, with its graph as stable JSON; from then on it is the newest.

        The order of adding counts, whatever the times say. Raises VersionExistsError where the id
        is taken; the transaction cannot go on then.
        """

    async def newest_id(self, dataset: str | None = None) -> str | None:
        """Return the id of the newest version of the dataset, or of all; None if there is none."""

    async def newest_ids(self, dataset: str, most: int) -> tuple[str, ...]:
        """Return the ids of the newest versions of the dataset, newest first."""

    async def is_kept(self, version_id: str) -> bool:
        """Return whether this version is kept, without reading its graph."""

    async def get(self, version_id: str) -> Callable[[], GraphVersion]:
        """Return what parses this version; raise NoGraphError if it is not kept.

        Parsing is CPU-bound: call it in a thread, after the transaction.
        """

    async def sha256(self, version_id: str, /) -> str | None:
        """Return the SHA-256 of this version's graph as it is stored, in hex; None: not kept."""

    async def datasets(self) -> tuple[Dataset, ...]:
        """Return all datasets, last written first."""

    async def ids(self) -> tuple[str, ...]:
        """Return the ids of all versions, in the order of adding."""

    async def records(self) -> tuple[VersionRecord, ...]:
        """Return all versions without their graphs, in the order of adding."""

    async def delete(self, version_ids: Collection[str]) -> None:
        """Delete these versions, which nothing cites; missing ones are no error."""

    async def order_by_time(self) -> None:
        """Put all versions in the order of their times, once older ones were added late."""


class ComponentHistories(Protocol):
    """When components were seen; every method runs in the caller's transaction."""

    async def add(self, seen: History) -> None:
        """Merge what a graph adds."""

    async def forget(self, before: int) -> tuple[str, ...]:
        """Delete what was last seen before this time (ns); return the ids of the components.

        Days before it are forgotten, too.
        """

    async def usage(self) -> Usage:
        """Return what the history occupies; `oldest` is the earliest last_seen."""

    async def read(self) -> History:
        """Return what was seen in any dataset, also in versions that are not kept any more."""


class RunStore(Protocol):
    """The recorded runs of graph versions, in files.

    Written before the version's transaction, so whoever finds a version can read its runs.
    """

    async def put(self, version_id: str, runs: Runs) -> None:
        """Store them; durable and whole once this returns, invisible before.

        Raise VersionExistsError where this version has runs.
        """

    async def get(self, version_id: str) -> Runs:
        """Return them; raise NoGraphError if they are not kept."""

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        """Return the calls of one trace, see graph.runs.calls_of_trace, without reading them all.

        Empty if it has none; raises NoGraphError as `get`.
        """

    async def failures(self, version_id: str) -> pa.Table:
        """Return their failures (FAILURE_SCHEMA) alone, empty if they are not kept.

        Raises DamagedRunsError.
        """

    async def delete(self, version_ids: Iterable[str]) -> None:
        """Delete the runs of these versions; missing ones are no error."""

    async def sweep(self, owned: Collection[str]) -> int:
        """Delete files over an hour old that belong to none of these versions; return how many.

        Without any version nothing is deleted: an emptied or exchanged store may come back.
        """

    async def usage(self) -> Usage:
        """Return what the files occupy; one item per version."""
