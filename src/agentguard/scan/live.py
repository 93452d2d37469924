"""The dataset `live`: the graph of the spans received in a window, recomputed as they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
import structlog

from agentguard.accounts.principal import system_principal
from agentguard.compute.pools import Pool
from agentguard.compute.tasks import task_group, wait_at_most
from agentguard.coordination.notices import Notices
from agentguard.coordination.turns import Turn
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.errors import NoGraphError
from agentguard.graph.model import Graph
from agentguard.graph.runs import PackedRuns, Runs, packed
from agentguard.graph.storage.publishing import GRAPH_STORED, GraphPublisher, PublishStores
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.graph.storage.unstored import Computed
from agentguard.graph.storage.versions import Graphs
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.ids import sortable_id
from agentguard.kernel.stable_json import stable_json
from agentguard.scan.incremental import IncrementalGraph
from agentguard.scan.live_summary import LiveSummary
from agentguard.scan.pipeline import Scan, graph_of
from agentguard.traces.damage import without_damaged
from agentguard.traces.store import SpanReader, SpanSource, SpanStore
from agentguard.traces.window import TimeWindow

log = structlog.get_logger(__name__)

_LIVE = system_principal("live")
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 2.0
"""How often to look for spans that other processes compacted."""
_DEMAND_SECONDS = 0.2
"""How often to look whether another process wants the newest graph."""


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """What the live graph may cost."""

    window: int
    """ns."""
    cpu_share: float
    """Share of one core, 0 to 1, for computing the graph."""
    store_seconds: float
    """The newest graph is stored at most this often, unless something cites it."""
    most_spans: int
    """Of more spans in the window, those received last are used."""


class VersionWatch(Protocol):
    """What follows from a new version of the live graph."""

    async def look(self, version: GraphVersion) -> None:
        """Act on this version; after an error, the newest one is shown again."""

    def forget(self) -> None:
        """Drop cached state: another process computes the live graph from now on."""


@dataclass(slots=True)
class LiveGraph:
    """Keeps the newest version of `live` equal to the window's graph, in one of all processes.

    The newest version is in memory. It is stored when it is cited, when another process wants it,
    every `store_seconds`, and at the end.
    """

    spans: SpanStore
    graphs: Graphs
    publisher: GraphPublisher[PublishStores]
    notices: Notices
    workers: Pool[IncrementalGraph]
    clock: Clock
    limits: LiveLimits
    compacted: asyncio.Event
    """Set when the spans in the window may have changed."""
    turn: Turn
    graph: Graph | None = None
    """The newest; None before the first, and while another process holds the lease."""
    failure: str | None = None
    """Why the last attempt failed; None if it succeeded."""
    summary: LiveSummary | None = None
    """None: refreshes leave nothing in the audit log."""
    watch: VersionWatch | None = None
    """None: nothing follows."""
    _unwatched: GraphVersion | None = field(default=None, init=False)
    """The newest version, until `watch` has looked at it."""
    _key: str = field(default="", init=False)
    _failures: bytes | None = field(default=None, init=False)
    """Those that the newest stored version knows, packed; None: not read since it was stored."""
    _cpu_seconds: float = field(default=0.0, init=False)
    """What the last computation took."""
    _stored_at: float = field(default=float("-inf"), init=False)
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def run(self) -> None:
        """Work until cancelled; then store the newest version."""
        async with self.turn.kept(), task_group() as tasks:
            answering = tasks.create_task(self._answer_demands())
            try:
                await self._run()
            finally:
                answering.cancel()
                await asyncio.shield(self._store_at_last())

    async def _run(self) -> None:
        while True:
            self.compacted.clear()
            self._cpu_seconds = 0.0
            await self._refresh()
            rest = rest_seconds(self._cpu_seconds, self.limits.cpu_share)
            await asyncio.sleep(max(_PAUSE_SECONDS, rest))
            await wait_at_most(self.compacted, _LOOK_SECONDS)

    async def refresh(self) -> bool:
        """Compute the graph if the spans changed; return whether that gave a new version."""
        now = self.clock()
        limits = self.limits
        async with self.spans.window(now - limits.window, most_spans=limits.most_spans) as window:
            if not window.sources or window.key == self._key:
                self.graphs.unstored.as_of = now
                return False
            done = await self.workers.run(graph_of_sources, window.sources)
            done = done.without(window.left_out)
        self._cpu_seconds = done.cpu_seconds
        changed = done.graph != await self._newest()
        if changed:
            await self._show(done, now)
        self.graph, self._key = done.graph, window.key
        self.graphs.unstored.as_of = now
        return changed

    async def store(self, version_id: str) -> None:
        """Store this version if it is only in memory (unstored.Store)."""
        async with self._storing:
            computed = self.graphs.unstored.get(version_id)
            if computed is None:
                return
            runs = await asyncio.to_thread(computed.runs.unpacked)
            await self.publisher.publish(_LIVE, computed.version, runs, await_projection=False)
            self.graphs.unstored.stored(version_id)
            self._failures = None
            self._stored_at = time.monotonic()

    async def _show(self, done: Recomputation, now: int) -> None:
        """Make the graph of the spans that were stored at this time (ns) the newest version."""
        version = GraphVersion(sortable_id(now), LIVE, now, done.graph)
        self.graphs.unstored.add(Computed(version, await self._with_failures(done.runs)))
        self._unwatched = version
        if self.summary is not None:
            self.summary.count(version)
        if time.monotonic() - self._stored_at >= self.limits.store_seconds:
            await self.store(version.id)
        else:
            told = {"dataset": LIVE, "graph_version": version.id}
            await self.notices.publish(GRAPH_STORED, stable_json(told).decode())

    async def _with_failures(self, runs: PackedRuns) -> PackedRuns:
        """Return the runs with what the newest stored version knows of earlier failures."""
        if self._failures is None:
            self._failures = await asyncio.to_thread(packed, await self.graphs.failures(LIVE))
        return replace(runs, failures=self._failures)

    async def _store_newest(self) -> None:
        if computed := self.graphs.unstored.newest:
            await self.store(computed.version.id)

    async def _store_at_last(self) -> None:
        """Store the newest version; if that fails, the next start computes it again."""
        with contextlib.suppress(OSError, AgentGuardError):
            await self._store_newest()
            await self._summarise()

    async def _summarise(self, *, only_if_due: bool = False) -> None:
        """Enter the refreshes into the audit log, which names a stored version."""
        if self.summary is None or (only_if_due and not self.summary.due):
            return
        await self._store_newest()
        await self.summary.enter()

    async def _answer_demands(self) -> None:
        """Store the newest version whenever another process wants it, until cancelled."""
        unstored = self.graphs.unstored
        while (demand := unstored.demand) is not None:
            await asyncio.sleep(_DEMAND_SECONDS)
            # The process that asked does not wait for long, and asks again.
            with contextlib.suppress(OSError, AgentGuardError):
                if unstored.store is not None and await demand.pending():
                    await self._store_newest()
                    await demand.answer()

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
                await self._take_turn()
            else:
                await self._leave_to_others()
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

    async def _leave_to_others(self) -> None:
        self.graphs.unstored.clear()
        self._unwatched = None
        if self.watch is not None:
            self.watch.forget()
        if self.graph is not None:
            self.graph, self._key, self._failures = None, "", None
            await self.workers.run(IncrementalGraph.forget)

    async def _take_turn(self) -> None:
        self.graphs.unstored.store = self.store
        await self.workers.run(_start)
        await without_damaged(self.spans, self.refresh)
        await self._look()
        if time.monotonic() - self._stored_at >= self.limits.store_seconds:
            await self._store_newest()
        await self._summarise(only_if_due=True)
        await self.turn.done()

    async def _look(self) -> None:
        if self.watch is not None and self._unwatched is not None:
            await self.watch.look(self._unwatched)
        self._unwatched = None


def rest_seconds(cpu_seconds: float, share: float) -> float:
    """Return the pause after which work of `cpu_seconds` has taken this share of one core."""
    return cpu_seconds * (1 / share - 1)


class TooManyWindowsError(UnavailableError):
    """Too many graphs of windows are being computed."""

    code = "too-many-windows"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} graphs of windows are being computed or waiting. Retry later, or ask for the"
            " live graph without a window."
        )


@dataclass(frozen=True, slots=True)
class StoredLiveWindows:
    """Computes the graphs of windows from the stored live spans."""

    spans: SpanReader
    workers: Pool[Dialects]
    most: int
    """Windows that are computed or wait at the same time."""
    _open: list[TimeWindow] = field(default_factory=list)

    async def graph(self, window: TimeWindow) -> tuple[Graph, Runs]:
        """Return the graph of all stored traces that start in the window, however old.

        Raises TooManyWindowsError.
        """
        if len(self._open) >= self.most:
            raise TooManyWindowsError(self.most)
        self._open.append(window)
        try:
            scan = await without_damaged(self.spans, partial(self._scan, window))
        finally:
            self._open.remove(window)
        return scan.graph, scan.runs

    async def _scan(self, window: TimeWindow) -> Scan:
        async with self.spans.window(0) as stored:
            return await self.workers.run(graph_of_window, stored.sources, window)


def _start(_incremental: IncrementalGraph) -> None:
    """Start the worker process before there is work: the first spans should not wait for it."""


SETTLING = 600 * NS_PER_SECOND
"""Nanoseconds for which a span whose parent is missing may belong to a trace in progress."""


@dataclass(frozen=True, slots=True)
class Recomputation:
    """A graph, and what computing it took."""

    graph: Graph
    runs: PackedRuns
    cpu_seconds: float

    def without(self, left_out: int) -> Recomputation:
        """Say in the graph's coverage that so many spans of the window are left out."""
        coverage = replace(self.graph.coverage, outside_window=left_out)
        return replace(self, graph=replace(self.graph, coverage=coverage))


def graph_of_sources(incremental: IncrementalGraph, sources: Sequence[SpanSource]) -> Recomputation:
    """Return the graph of all spans in the sources. CPU-bound."""
    began = time.thread_time()
    scan = incremental.graph(sources)
    runs = PackedRuns.of(scan.runs)
    return Recomputation(scan.graph, runs, time.thread_time() - began)


def graph_of_window(dialects: Dialects, sources: Sequence[SpanSource], window: TimeWindow) -> Scan:
    """Return the graph of the traces that start in the window, read whole. CPU-bound."""
    touching = [source.traces_touching(window) for source in sources]
    traces = np.unique(np.concatenate([np.zeros(0, np.uint64), *touching]))
    return graph_of(
        (table for source in sources for table in source.tables(traces)), dialects, window=window
    )
