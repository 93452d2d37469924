"""A job: long work that a request asked for and does not wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from agentguard.kernel.errors import NotFoundError


class UnknownJobError(NotFoundError):
    """There is no such job."""

    code = "unknown-job"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id!r}. Its id stands in the answer that started it.")


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.SUCCEEDED, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a stable code and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work; times in ns since the Unix epoch."""

    id: str
    kind: str
    request: Mapping[str, Any]
    created_at: int
    state: JobState = JobState.QUEUED
    attempts: int = 0
    """How often it was started."""
    done: int = 0
    total: int | None = None
    """`done` of `total`, in the unit of its kind (bytes for a scan); None = not known."""
    result: Mapping[str, Any] | None = None
    error: JobError | None = None
    started_at: int | None = None
    finished_at: int | None = None

    def start(self, now: int) -> Job:
        """Return the job, running (once more)."""
        return replace(self, state=JobState.RUNNING, attempts=self.attempts + 1, started_at=now, done=0)

    def requeue(self) -> Job:
        """Return the job as waiting again."""
        return replace(self, state=JobState.QUEUED, done=0)

    def succeed(self, result: Mapping[str, Any], now: int) -> Job:
        """Return the job, finished with this result."""
        done = self.total if self.total is not None else self.done
        return replace(self, state=JobState.SUCCEEDED, result=result, done=done, finished_at=now)

    def fail(self, error: JobError, now: int) -> Job:
        """Return the job, finished without a result."""
        return replace(self, state=JobState.FAILED, error=error, finished_at=now)
