"""Scans that run as jobs: uploads in a folder that all processes share."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agentguard.accounts.principal import PermissionDeniedError, Principal
from agentguard.graph.documents import Document
from agentguard.jobs.attempts import JOBS, Report
from agentguard.jobs.model import Job, JobKind, TooManyJobsError
from agentguard.kernel.errors import AgentGuardError
from agentguard.kernel.ids import sortable_id
from agentguard.scan.pipeline import Scan
from agentguard.scan.service import DatasetNameError, ScanService
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


class JobQueue(Protocol):
    """Takes work that nobody waits for; see jobs.queue.Jobs."""

    async def submit(
        self, actor: Principal, kind: str, request: Mapping[str, Any], *, total: int | None = None
    ) -> Job:
        """Store a new job and return it; raise PermissionDeniedError, TooManyJobsError."""


@dataclass(frozen=True, slots=True)
class ScanJobs:
    """Scans uploads, at once or as jobs.

    The upload stays until its job has ended, so every attempt finds it. Running a job twice stores
    one graph: the dataset is named when the job is submitted, each attempt stores under an id of
    its own, and only if it still holds the job and no earlier attempt has stored.
    """

    scans: ScanService
    folder: Path
    jobs: JobQueue
    job_bytes: int
    """Larger uploads are scanned by jobs."""

    def new_upload(self) -> Path:
        """Return a new empty file for an upload, in a folder that is created if need be."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        upload = self.folder / sortable_id(self.scans.clock())
        upload.touch(mode=0o600)
        return upload

    async def accept(
        self,
        actor: Principal,
        upload: Path,
        origin: str,
        *,
        dataset: str | None = None,
        window: TimeWindow | None = None,
        background: bool = False,
    ) -> Document | Job:
        """Scan an upload; return the document or, for a large one or `background`, the job.

        The upload is deleted, except where a job may have been stored that needs it. Raises as
        ScanService.scan_file, and TooManyJobsError.
        """
        size = (await asyncio.to_thread(upload.stat)).st_size
        if background or size > self.job_bytes:
            return await self._submit(actor, upload, origin, dataset, window, size)
        try:
            return await self.scans.scan_file(actor, upload, origin, dataset=dataset, window=window)
        finally:
            _delete(upload)

    async def submit_file(
        self,
        actor: Principal,
        source: Path,
        *,
        dataset: str | None = None,
        window: TimeWindow | None = None,
    ) -> Job:
        """Submit a job that scans a copy of the file; raise as `accept`."""
        self.scans.check_name(dataset)
        upload = await asyncio.to_thread(self.new_upload)
        with deleted_after(upload, BaseException):
            await asyncio.to_thread(shutil.copyfile, source, upload)
        size = (await asyncio.to_thread(upload.stat)).st_size
        return await self._submit(actor, upload, str(source), dataset, window, size)

    async def _submit(
        self,
        actor: Principal,
        upload: Path,
        origin: str,
        dataset: str | None,
        window: TimeWindow | None,
        size: int,
    ) -> Job:
        """Submit the job; delete the upload only where it is certain that no job was stored."""
        with deleted_after(upload, PermissionDeniedError, TooManyJobsError, DatasetNameError):
            request = self.request(upload, origin, dataset, window)
            return await self.jobs.submit(actor, KIND, request, total=size)

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
        return await self.scans.document(version, found)

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


@contextmanager
def deleted_after(upload: Path, *errors: type[BaseException]) -> Iterator[None]:
    """Delete the upload if one of these errors is raised."""
    try:
        yield
    except errors:
        _delete(upload)
        raise


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
