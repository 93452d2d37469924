"""Finds a stored trace: among the spans, else among the recorded runs of graph versions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from agentguard.compute.pools import Pool
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.documents import Document
from agentguard.graph.errors import DamagedRunsError, NoGraphError
from agentguard.graph.evidence_links import TraceLinks
from agentguard.graph.model import Graph
from agentguard.graph.selection import SelectedGraph
from agentguard.graph.storage.store import LIVE, Dataset, GraphVersion
from agentguard.kernel.clock import timestamp
from agentguard.kernel.errors import InvalidInputError, NotFoundError
from agentguard.retention.expiries import Expiry
from agentguard.scan.recorded_trace import cited_at, recorded_view
from agentguard.scan.span_tree_view import stored_trace
from agentguard.scan.trace_view import MOST_SPANS, USUAL_SPANS, trace_document
from agentguard.traces.damage import without_damaged
from agentguard.traces.store import SpanReader

_MOST_DATASETS = 50
"""Datasets, last written first, in whose newest versions a trace is looked for."""


class TraceNotStoredError(NotFoundError):
    """Nothing of the trace is stored, and nothing says that it ever was."""

    code = "trace-not-stored"

    def __init__(self, trace_id: str, where: str, expiry: str | None) -> None:
        expired = "" if expiry is None else f" {expiry}"
        super().__init__(
            f"The trace {trace_id!r} is not stored: it is neither {where}.{expired} Check the id."
        )


class TraceExpiredError(NotFoundError):
    """A graph cites the trace, whose data is deleted."""

    code = "trace-expired"

    def __init__(self, trace_id: str, recorded: str | None, expired: str | None) -> None:
        when = (
            "is no longer stored; when it was deleted is not known"
            if expired is None
            else f"expired on {expired}"
        )
        super().__init__(
            f"The trace {trace_id!r} was recorded at {recorded or 'an unknown time'}, and its data"
            f" {when}. Newer traces of the same component are in its evidence."
        )
        self.recorded_at, self.expired_at = recorded, expired

    @property
    def extensions(self) -> dict[str, object]:
        return {"recorded_at": self.recorded_at, "expired_at": self.expired_at}


class BadTraceLimitError(InvalidInputError):
    """The answer cannot have this many spans."""

    code = "bad-trace-limit"


class SpanExpiries(Protocol):
    """What is known of spans that were deleted."""

    async def expiries(self) -> tuple[Expiry, ...]:
        """Return the recorded deletions of spans, the newest first; not necessarily all."""


class StoredRuns(Protocol):
    """The graph versions with their runs; see graph.storage.versions.Graphs."""

    async def datasets(self) -> tuple[Dataset, ...]:
        """Return all datasets, last written first."""

    async def newest(self, dataset: str | None = None) -> GraphVersion:
        """Return the newest version of the dataset; raise NoGraphError."""

    async def get(self, version_id: str) -> GraphVersion:
        """Return this version; raise NoGraphError."""

    async def calls_of_trace(self, version_id: str, trace_id: str) -> pa.Table:
        """Return the calls of one trace behind this version; raise NoGraphError."""


@dataclass(frozen=True, slots=True)
class TraceService:
    """Shows stored traces."""

    spans: SpanReader
    graphs: StoredRuns
    expired: SpanExpiries
    workers: Pool[Dialects]
    links: TraceLinks

    async def trace(
        self,
        trace_id: str,
        *,
        dataset: str | None = None,
        version: str | None = None,
        limit: int = USUAL_SPANS,
    ) -> Document:
        """Return a trace as a tree, with the failing path and at most `limit` spans.

        From the stored spans; else its calls from the runs of the version, or of the newest version
        of the dataset, or of each dataset. Raises TraceNotStoredError, TraceExpiredError,
        BadTraceLimitError, and NoGraphError for a version or dataset that is not stored.
        """
        if not 0 < limit <= MOST_SPANS:
            raise BadTraceLimitError(f"`limit` must be between 1 and {MOST_SPANS:,}.")
        trace_id = trace_id.strip()
        if version is None and dataset in (None, LIVE):
            found = await self._of_spans(trace_id, limit)
            if found is not None:
                return found
        graphs = await self._graphs(dataset, version)
        for each in graphs:
            found = await self._of_runs(each, trace_id, limit)
            if found is not None:
                return found
        raise await self._missing(trace_id, graphs, searched_spans=version is None)

    async def _of_spans(self, trace_id: str, limit: int) -> Document | None:
        async def read() -> Document | None:
            async with self.spans.window(0) as stored:
                return await self.workers.run(
                    stored_trace, stored.sources, trace_id, limit, self.links
                )

        return await without_damaged(self.spans, read)

    async def _graphs(self, dataset: str | None, version: str | None) -> list[SelectedGraph]:
        if version is not None:
            found = await self.graphs.get(version)
            if dataset not in (None, found.dataset):
                raise NoGraphError.version_of(version, dataset or "")
            return [SelectedGraph.of(found)]
        if dataset is not None:
            return [SelectedGraph.of(await self.graphs.newest(dataset))]
        names = [each.name for each in (await self.graphs.datasets())[:_MOST_DATASETS]]
        return [SelectedGraph.of(await self.graphs.newest(name)) for name in names]

    async def _of_runs(self, selected: SelectedGraph, trace_id: str, limit: int) -> Document | None:
        for written in dict.fromkeys((trace_id, trace_id.lower())):
            try:
                calls = await self.graphs.calls_of_trace(selected.version or "", written)
            except (NoGraphError, DamagedRunsError):
                return None
            if len(calls):
                return await asyncio.to_thread(_recorded, selected, calls, limit, self.links)
        return None

    async def _missing(
        self, trace_id: str, graphs: list[SelectedGraph], *, searched_spans: bool
    ) -> TraceNotStoredError | TraceExpiredError:
        expiries = await self.expired.expiries()
        recorded = await asyncio.to_thread(_recorded_at, [each.graph for each in graphs], trace_id)
        if recorded is not None:
            after = [each.at for each in expiries if each.received_until >= recorded]
            at = timestamp(min(after)) if after else None
            return TraceExpiredError(trace_id, timestamp(recorded), at)
        where = "among the stored spans nor " if searched_spans else ""
        runs = f"in the recorded runs of {len(graphs)} graph version{'s' * (len(graphs) != 1)}"
        last = next(iter(expiries), None)
        return TraceNotStoredError(trace_id, where + runs, None if last is None else _last(last))


def _recorded(selected: SelectedGraph, calls: pa.Table, limit: int, links: TraceLinks) -> Document:
    return trace_document(recorded_view(selected, calls), limit, links)


def _last(expiry: Expiry) -> str:
    return (
        f"Spans received until {timestamp(expiry.received_until)} expired on"
        f" {timestamp(expiry.at)}."
    )


def _recorded_at(graphs: list[Graph], trace_id: str) -> int | None:
    return next(_times(graphs, trace_id), None)


def _times(graphs: list[Graph], trace_id: str) -> Iterator[int]:
    for graph in graphs:
        for written in dict.fromkeys((trace_id, trace_id.lower())):
            if (time := cited_at(graph, written)) is not None:
                yield time
