"""Scans that run as jobs: uploads in a folder that all processes share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentguard.graph.store import GraphVersion
from agentguard.jobs.attempts import JOBS, Report
from agentguard.jobs.model import Job, JobKind
from agentguard.kernel.errors import AgentGuardError
from agentguard.scan.pipeline import Scan
from agentguard.scan.service import ScanService
from agentguard.traces.window import TimeWindow

KIND = JobKind.SCAN.value
_PROGRESS_SECONDS = 0.5


class UploadMissingError(AgentGuardError):
    """The upload of a scan job is missing."""

    code = "upload-missing"

    def __init__(self) -> None:
        super().__init__(
            "The upload is missing from the data directory. Make sure that servers and workers"
            " share AGENTGUARD_DATA_DIR, then resubmit it."
        )


@dataclass(frozen=True, slots=True)
class ScanJobs:
    """Runs scan jobs.

    The upload stays until its job has ended, so every attempt finds it. Running a job twice stores
    one graph: the dataset is named when the job is submitted, each attempt stores under an id of
    its own, and only if it still holds the job and no earlier attempt has stored.
    """

    scans: ScanService
    folder: Path
    answer: Callable[[GraphVersion, Scan], Mapping[str, Any]]
    """Returns the document of a scan, the job's result."""

    def request(
        self, upload: Path, origin: str, dataset: str | None, window: TimeWindow | None
    ) -> dict[str, Any]:
        """Return the request of a scan job."""
        between = None if window is None else [window.since, window.until]
        return {
            "file": upload.name,
            "origin": origin,
            "dataset": self.scans.named(dataset),
            "window": between,
        }

    async def run(self, job: Job, report: Report) -> Mapping[str, Any]:
        """Scan the job's upload (a JobFunction)."""
        upload = self.folder / job.request["file"]
        if not await asyncio.to_thread(upload.exists):
            raise UploadMissingError
        asked, dataset = job.request.get("window"), self.scans.named(job.request["dataset"])
        found = await self._read(
            upload, job.request["origin"], TimeWindow(*asked) if asked else None, report
        )
        await report(job.total or 0)
        version = await self.scans.keep_once(JOBS, found, dataset, job)
        return await asyncio.to_thread(self.answer, version, found)

    async def _read(
        self, upload: Path, origin: str, window: TimeWindow | None, report: Report
    ) -> Scan:
        """Scan the upload and report progress meanwhile."""
        progress = _progress_file(upload)
        scanning = asyncio.ensure_future(
            self.scans.read_file(upload, origin, window=window, progress_file=progress)
        )
        try:
            while not (await asyncio.wait([scanning], timeout=_PROGRESS_SECONDS))[0]:
                await report(await asyncio.to_thread(_read_number, progress))
            return await scanning
        finally:
            scanning.cancel()

    async def clear(self, job: Job) -> None:
        """Delete the upload of a job that has ended."""
        _delete(self.folder / job.request["file"])


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
