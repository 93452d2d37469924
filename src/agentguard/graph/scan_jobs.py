"""Scans too large to wait for: uploads in a folder, scanned as jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentguard.graph.scanning import Scan
from agentguard.graph.scans import ScanService
from agentguard.graph.store import GraphVersion
from agentguard.jobs.model import Job
from agentguard.jobs.runner import Report
from agentguard.jobs.workers import WorkerDiedError
from agentguard.traces.window import TimeWindow

KIND = "scan"
_PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ScanJobs:
    """Does the jobs of this kind; an upload stays until its job can no longer need it."""

    scans: ScanService
    folder: Path
    answer: Callable[[GraphVersion, Scan], Mapping[str, Any]]
    """Makes the document of a scan, the job's result."""

    def request(self, upload: Path, origin: str, dataset: str | None, window: TimeWindow | None) -> dict[str, Any]:
        """Return what such a job must know."""
        between = None if window is None else [window.since, window.until]
        return {"file": upload.name, "origin": origin, "dataset": dataset, "window": between}

    async def run(self, job: Job, report: Report) -> Mapping[str, Any]:
        """Scan the job's upload (a JobFunction)."""
        upload = self.folder / job.request["file"]
        try:
            found = await self._scan(upload, job, report)
        except (WorkerDiedError, asyncio.CancelledError):
            raise  # it will be tried again
        except BaseException:
            _delete(upload)
            raise
        _delete(upload)
        return self.answer(*found)

    def clear(self, unfinished: Iterable[Job]) -> None:
        """Delete uploads that no job waits for."""
        wanted = {str(job.request["file"]) for job in unfinished if job.kind == KIND}
        for path in self.folder.glob("*"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    async def _scan(self, upload: Path, job: Job, report: Report) -> tuple[GraphVersion, Scan]:
        progress = _progress_file(upload)
        asked = job.request.get("window")
        window = TimeWindow(*asked) if asked else None
        scan = self.scans.scan_file(upload, job.request["origin"], dataset=job.request["dataset"], window=window, progress_file=progress)
        scanning = asyncio.ensure_future(scan)
        try:
            while not (await asyncio.wait([scanning], timeout=_PROGRESS_SECONDS))[0]:
                await report(await asyncio.to_thread(_read_number, progress))
            return await scanning
        finally:
            scanning.cancel()


def _progress_file(upload: Path) -> Path:
    return upload.with_name(upload.name + ".progress")


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0


def _delete(upload: Path) -> None:
    upload.unlink(missing_ok=True)
    _progress_file(upload).unlink(missing_ok=True)
