"""The dataset `live`: the graph of the spans received in a window, recomputed as they arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import structlog

from agentguard.accounts.principal import system_principal
from agentguard.compute.pools import Pool
from agentguard.compute.tasks import wait_at_most
from agentguard.coordination.turns import Turn
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.graph.storage.publishing import GraphPublisher, PublishStores
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.graph.storage.versions import Graphs
from agentguard.kernel.clock import Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.pipeline import Scan, graph_of
from agentguard.traces.damage import without_damaged
from agentguard.traces.store import SpanReader, SpanSource, SpanStore
from agentguard.traces.window import TimeWindow

log = structlog.get_logger(__name__)

_LIVE = system_principal("live")
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 2.0
"""How often to look for spans that other processes compacted."""


@dataclass(slots=True)
class LiveGraph:
    """Keeps the newest version of `live` equal to the window's graph, in one of all processes."""

    spans: SpanStore
    graphs: Graphs
    publisher: GraphPublisher[PublishStores]
    workers: Pool[Dialects]
    clock: Clock
    window: int
    """ns."""
    compacted: asyncio.Event
    """Set when the spans in the window may have changed."""
    turn: Turn
    graph: Graph | None = None
    """The newest; None before the first, and while another process holds the lease."""
    failure: str | None = None
    """Why the last attempt failed; None if it succeeded."""
    _key: str = field(default="", init=False)

    async def run(self) -> None:
        """Work until cancelled, at most two thirds of the time."""
        async with self.turn.kept():
            await self._run()

    async def _run(self) -> None:
        while True:
            self.compacted.clear()
            began = time.monotonic()
            await self._refresh()
            await asyncio.sleep(max(_PAUSE_SECONDS, (time.monotonic() - began) / 2))
            await wait_at_most(self.compacted, _LOOK_SECONDS)

    async def refresh(self) -> bool:
        """Compute the graph if the spans changed; return whether that gave a new version."""
        async with self.spans.window(self.clock() - self.window) as window:
            if not window.sources or window.key == self._key:
                return False
            scan = await self.workers.run(graph_of_sources, window.sources)
        changed = scan.graph != await self._newest()
        if changed:
            now = self.clock()
            version = GraphVersion(sortable_id(now), LIVE, now, scan.graph)
            await self.publisher.publish(_LIVE, version, scan.runs, await_projection=False)
        self.graph, self._key = scan.graph, window.key
        return changed

    async def _newest(self) -> Graph | None:
        if self.graph is None:
            try:
                self.graph = (await self.graphs.newest(LIVE)).graph
            except NoGraphError:
                return None
        return self.graph

    async def _refresh(self) -> None:
        try:
            if await self.turn.hold():
                await self.workers.run(_start)
                await without_damaged(self.spans, self.refresh)
                await self.turn.done()
            else:
                self.graph, self._key = None, ""
            self.failure = None
        # The outermost frame of a loop: receiving spans goes on, whatever happens to the graph.
        except Exception as error:
            kind = type(error).__name__
            if not isinstance(error, UnavailableError):
                log.exception("live_graph_failed")
            elif self.failure != kind:  # logged once, not at each attempt
                log.warning("live_graph_postponed", error=str(error))
            self.failure = kind
            if isinstance(error, OSError | AgentGuardError):  # others would only repeat
                self.compacted.set()
            await asyncio.sleep(_PAUSE_SECONDS * 10)


@dataclass(frozen=True, slots=True)
class StoredLiveWindows:
    """Computes the graphs of windows from the stored live spans."""

    spans: SpanReader
    workers: Pool[Dialects]

    async def graph(self, window: TimeWindow) -> tuple[Graph, Runs]:
        """Return the graph of all stored traces that start in the window, however old."""
        scan = await without_damaged(self.spans, partial(self._scan, window))
        return scan.graph, scan.runs

    async def _scan(self, window: TimeWindow) -> Scan:
        async with self.spans.window(0) as stored:
            return await self.workers.run(graph_of_window, stored.sources, window)


def _start(_dialects: Dialects) -> None:
    """Start the worker process before there is work: the first spans should not wait for it."""


def graph_of_sources(dialects: Dialects, sources: Sequence[SpanSource]) -> Scan:
    """Return the graph of all spans in the sources. CPU-bound."""
    return graph_of(_tables(sources), dialects)


def graph_of_window(dialects: Dialects, sources: Sequence[SpanSource], window: TimeWindow) -> Scan:
    """Return the graph of the traces that start in the window, read whole. CPU-bound."""
    touching = [source.traces_touching(window) for source in sources]
    traces = np.unique(np.concatenate([np.zeros(0, np.uint64), *touching]))
    return graph_of(
        (table for source in sources for table in source.tables(traces)), dialects, window=window
    )


def _tables(sources: Sequence[SpanSource]) -> Iterator[pa.Table]:
    for source in sources:
        yield from source.tables()
