"""Scans: the graph of exactly what was handed in, kept as a dataset's newest version."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentguard.compute.pools import Pool
from agentguard.discovery.dialects.loading import Dialects
from agentguard.graph.errors import NoGraphError
from agentguard.graph.store import LIVE, GraphStore, GraphVersion
from agentguard.ingest.payloads import Payload, Refusal
from agentguard.ingest.sources import read_stream
from agentguard.kernel.clock import NS_PER_SECOND, Clock
from agentguard.kernel.errors import InvalidInputError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.pipeline import Scan, scan
from agentguard.traces.window import TimeWindow

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REPORT_SECONDS = 0.2


class DatasetNameError(InvalidInputError):
    """A dataset cannot bear this name."""

    code = "bad-dataset-name"

    def __init__(self, name: str) -> None:
        why = (
            "belongs to OTLP deliveries"
            if name == LIVE
            else "needs 1 to 100 letters, digits, dots, dashes or underscores"
        )
        super().__init__(
            f"A scan's dataset cannot be called {name!r}: the name {why}. Choose another."
        )


@dataclass(frozen=True, slots=True)
class ScanService:
    """Scans, and keeps what they find."""

    graphs: GraphStore
    workers: Pool[Dialects]
    clock: Clock
    dialects: Callable[[], Dialects]
    file_limit: int
    """Bytes of a file's content, unpacked, for `scan_file`."""

    async def scan(
        self,
        payloads: Iterable[Payload | Refusal],
        *,
        dataset: str | None = None,
        store: bool = True,
        window: TimeWindow | None = None,
    ) -> tuple[GraphVersion, Scan]:
        """Scan payloads on another thread of this process; a scan without any span is not stored.

        Cancelling stops the reading.

        Without a dataset the scan gets one of its own. Raises DatasetNameError.
        """
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
        if store:
            await self._keep(version, found)
        return version, found

    async def scan_file(
        self,
        path: Path,
        origin: str,
        *,
        dataset: str | None = None,
        window: TimeWindow | None = None,
    ) -> tuple[GraphVersion, Scan]:
        """Scan one file in a worker; `origin` is what refusals call it.

        Raises DatasetNameError, and InputTooLargeError where the content is longer than
        `file_limit`.
        """
        name = self.named(dataset)
        found = await self.read_file(path, origin, window=window)
        version = self._version(name, found)
        await self._keep(version, found)
        return version, found

    async def read_file(
        self,
        path: Path,
        origin: str,
        *,
        window: TimeWindow | None = None,
        progress_file: Path | None = None,
    ) -> Scan:
        """Scan one file as `scan_file` does, but keep nothing.

        Bytes read are written to `progress_file`, as text.
        """
        return await self.workers.run(
            scan_path, path, origin, progress_file, self.file_limit, window
        )

    async def keep_once(self, found: Scan, dataset: str, ids: Sequence[str]) -> GraphVersion:
        """Keep what an attempt at a job found and return its version.

        If an earlier attempt kept it already, return that one.

        `ids` are those of the attempts so far, this one's last. Two at one time could both keep it:
        whoever calls this holds the job.
        """
        for earlier in ids[:-1]:
            with contextlib.suppress(NoGraphError):
                return await self.graphs.get(earlier)
        version = self._version(dataset, found, ids[-1])
        await self._keep(version, found)
        return version

    def check_name(self, dataset: str | None) -> None:
        """Raise DatasetNameError if a scan may not be stored under this name."""
        self.named(dataset)

    def named(self, dataset: str | None) -> str:
        """Return the name that a scan's dataset gets: the one asked for, or a new one.

        Raise DatasetNameError.
        """
        if dataset is None:
            return f"scan-{datetime.fromtimestamp(self.clock() / NS_PER_SECOND, UTC):%Y%m%dT%H%M%S}-{sortable_id(0)[-4:]}"
        if dataset == LIVE or not _NAME.fullmatch(dataset):
            raise DatasetNameError(dataset)
        return dataset

    def _version(self, dataset: str, found: Scan, version_id: str | None = None) -> GraphVersion:
        now = self.clock()
        return GraphVersion(version_id or sortable_id(now), dataset, now, found.graph)

    async def _keep(self, version: GraphVersion, found: Scan) -> None:
        if found.graph.coverage.spans:
            await self.graphs.put(version, found.runs)


def scan_path(
    dialects: Dialects,
    path: Path,
    origin: str,
    progress_file: Path | None,
    limit: int,
    window: TimeWindow | None = None,
) -> Scan:
    """Scan one file; raise InputTooLargeError where its content is longer than the limit.

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
    """Return what adds up the bytes it is told of and writes the sum to a file, now and then."""
    done, due = 0, 0.0

    def report(size: int) -> None:
        nonlocal done, due
        done += size
        if time.monotonic() >= due:
            into.write_text(str(done))
            due = time.monotonic() + _REPORT_SECONDS

    return report
