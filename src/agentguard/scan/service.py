"""Scans: the graph of exactly the given input, stored as a dataset's newest version."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from agentguard.accounts.principal import Permission, Principal
from agentguard.compute.pools import Pool
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.documents import Document
from agentguard.graph.storage.publishing import GraphPublisher, PublishStores
from agentguard.graph.storage.store import LIVE, GraphVersion
from agentguard.graph.storage.versions import Graphs
from agentguard.ingest.payloads import Payload, Refusal
from agentguard.ingest.sources import exceeds, read_stream
from agentguard.jobs.lease import LeaseLostError
from agentguard.jobs.model import Job
from agentguard.jobs.store import JobStore
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import InvalidInputError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.documents import ScanDocuments
from agentguard.scan.pipeline import Scan, scan
from agentguard.traces.window import TimeWindow

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REPORT_SECONDS = 0.2
_PENDING = (
    "The graph is stored, but Neo4j does not show it yet. A running server, or the next scan, tries"
    " again."
)


class DatasetNameError(InvalidInputError):
    """A scan cannot store its graph under this name."""

    code = "bad-dataset-name"

    def __init__(self, name: str) -> None:
        why = (
            "is reserved for spans received over OTLP"
            if name == LIVE
            else "must have 1 to 100 letters, digits, dots, dashes or underscores"
        )
        super().__init__(
            f"A scan's dataset cannot be named {name!r}: the name {why}. Choose another."
        )


class ScanStores(PublishStores, Protocol):
    """What storing the result of a scan job needs."""

    @property
    def jobs(self) -> JobStore: ...


class AlreadyStoredError(Exception):
    """An earlier attempt at a job has stored its graph."""

    def __init__(self, version_id: str) -> None:
        super().__init__(version_id)
        self.version_id = version_id


@dataclass(frozen=True, slots=True)
class ScanService:
    """Scans, and stores what they find."""

    graphs: Graphs
    publisher: GraphPublisher[ScanStores]
    workers: Pool[Dialects]
    """For small scans, which do not wait for large ones."""
    large_workers: Pool[Dialects]
    large_bytes: int
    """A scan is large if its content, decompressed, exceeds this."""
    clock: Clock
    dialects: Callable[[], Dialects]
    file_limit: int
    """Most bytes of a file's content, decompressed, for `scan_file`."""
    documents: ScanDocuments

    async def scan(
        self,
        actor: Principal,
        payloads: Iterable[Payload | Refusal],
        *,
        dataset: str | None = None,
        window: TimeWindow | None = None,
    ) -> Document:
        """Scan payloads in a thread of this process, store the graph and return its document.

        Without a dataset the scan gets one of its own. Cancelling stops the reading. Raises
        PermissionDeniedError, DatasetNameError, and NoUsableSpansError for a scan without any span,
        which is not stored.
        """
        actor.require(Permission.OPERATE)
        name = self.named(dataset)
        stop = threading.Event()
        try:
            found = await asyncio.to_thread(
                lambda: scan(_until(stop, payloads), self.dialects(), window=window)
            )
        except asyncio.CancelledError:
            stop.set()
            raise
        version = self._version(name, found)
        await self._keep(actor, version, found)
        return await self.document(version, found)

    async def scan_file(
        self,
        actor: Principal,
        path: Path,
        origin: str,
        *,
        dataset: str | None = None,
        window: TimeWindow | None = None,
    ) -> Document:
        """Scan one file in a worker process as `scan` does; refusals name it `origin`.

        Raises InputTooLargeError too, where the content exceeds `file_limit`.
        """
        actor.require(Permission.OPERATE)
        name = self.named(dataset)
        found = await self.read_file(path, origin, window=window)
        version = self._version(name, found)
        await self._keep(actor, version, found)
        return await self.document(version, found)

    async def document(self, version: GraphVersion, found: Scan) -> Document:
        """Return the document of a scan; raise NoUsableSpansError."""
        return await asyncio.to_thread(self.documents.document, version, found)

    async def read_file(
        self,
        path: Path,
        origin: str,
        *,
        window: TimeWindow | None = None,
        progress_file: Path | None = None,
    ) -> Scan:
        """Scan one file as `scan_file` does, but store nothing.

        The number of bytes read is written to `progress_file`, as text.
        """
        large = await asyncio.to_thread(exceeds, path, self.large_bytes)
        workers = self.large_workers if large else self.workers
        return await workers.run(scan_path, path, origin, progress_file, self.file_limit, window)

    async def keep_once(
        self, actor: Principal, found: Scan, dataset: str, job: Job
    ) -> GraphVersion:
        """Store the result of an attempt at a job unless an earlier one did; return the version.

        Each attempt's version has an id of its own. Raises PermissionDeniedError, and
        LeaseLostError where another attempt has the job; both leave everything unchanged.
        """
        actor.require(Permission.OPERATE)
        version = self._version(dataset, found, version_id(job, job.fence))
        try:
            await self._keep(actor, version, found, guard=lambda stores: _check(stores, job))
        except AlreadyStoredError as stored:
            return await self.graphs.get(stored.version_id)
        return version

    def check_name(self, dataset: str | None) -> None:
        """Raise DatasetNameError if a scan may not be stored under this name."""
        self.named(dataset)

    def named(self, dataset: str | None) -> str:
        """Return the name of a scan's dataset: the requested one, or a new one.

        Raise DatasetNameError.
        """
        if dataset is None:
            now = datetime.fromtimestamp(self.clock() / NS_PER_SECOND, UTC)
            return f"scan-{now:%Y%m%dT%H%M%S}-{sortable_id(0)[-4:]}"
        if dataset == LIVE or not _NAME.fullmatch(dataset):
            raise DatasetNameError(dataset)
        return dataset

    def _version(self, dataset: str, found: Scan, version_id: str | None = None) -> GraphVersion:
        now = self.clock()
        return GraphVersion(version_id or sortable_id(now), dataset, now, found.graph)

    async def _keep(
        self,
        actor: Principal,
        version: GraphVersion,
        found: Scan,
        guard: Callable[[ScanStores], Awaitable[None]] | None = None,
    ) -> None:
        if not found.graph.coverage.spans:
            return
        if not await self.publisher.publish(actor, version, found.runs, guard=guard):
            log.warning("projection_pending", graph_version=version.id, detail=_PENDING)


def version_id(job: Job, attempt: int) -> str:
    """Return the id of the graph version that this attempt at a job stores, counted from 1."""
    return f"{job.id}-{attempt}"


async def _check(stores: ScanStores, job: Job) -> None:
    """Raise LeaseLostError or AlreadyStoredError where this attempt must not store its graph."""
    if not await stores.jobs.holds(job):
        raise LeaseLostError
    earlier = {version_id(job, attempt) for attempt in range(1, job.fence)}
    for stored in earlier.intersection(await stores.graphs.ids() if earlier else ()):
        raise AlreadyStoredError(stored)


def scan_path(
    dialects: Dialects,
    path: Path,
    origin: str,
    progress_file: Path | None,
    limit: int,
    window: TimeWindow | None = None,
) -> Scan:
    """Scan one file; raise InputTooLargeError where its content exceeds the limit.

    CPU-bound.
    """
    progress = _reporter(progress_file) if progress_file else None
    with path.open("rb") as stream:
        return scan(
            read_stream(stream, origin, progress=progress, limit=limit), dialects, window=window
        )


def _until(
    stop: threading.Event, payloads: Iterable[Payload | Refusal]
) -> Iterator[Payload | Refusal]:
    for payload in payloads:
        if stop.is_set():
            return
        yield payload


def _reporter(into: Path) -> Callable[[int], None]:
    """Return a function that sums the bytes reported to it and writes the sum to a file."""
    done, due = 0, 0.0

    def report(size: int) -> None:
        nonlocal done, due
        done += size
        if time.monotonic() >= due:
            into.write_text(str(done))
            due = time.monotonic() + _REPORT_SECONDS

    return report
