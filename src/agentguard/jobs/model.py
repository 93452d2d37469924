"""A job: long work that a request starts and does not wait for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from agentguard.kernel.errors import ConflictError, NotFoundError, UnavailableError


class UnknownJobError(NotFoundError):
    """There is no such job."""

    code = "unknown-job"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"There is no job {job_id!r}. List all jobs with `agentguard jobs`.")


class TooManyJobsError(UnavailableError):
    """The queue is full."""

    code = "too-many-jobs"

    def __init__(self) -> None:
        super().__init__("Too many jobs are waiting. Try again when some have finished.")


class JobEndedError(ConflictError):
    """The job has ended, so that it cannot be cancelled."""

    code = "job-ended"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"Job {job_id!r} has ended ({state}): there is nothing to cancel.")


class JobKind(StrEnum):
    """What a job does."""

    SCAN = "scan"
    SIMULATION = "simulation"
    PLAYBOOK = "playbook"
    AUDIT = "audit"


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


UNFINISHED = tuple(state for state in JobState if not state.final)
ENDED = tuple(state for state in JobState if state.final)


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
    due_at: int
    """The earliest time of the next attempt; while the job runs, the end of its lease."""
    deliver_at: int | None
    """When it is delivered (again) unless it was claimed by then; None once it has ended."""
    state: JobState = JobState.QUEUED
    attempts: int = 0
    """How often it was started; starts that a graceful shutdown ended are not counted."""
    fence: int = 0
    """Counts every start; a change under an older number is refused: another attempt has it."""
    done: int = 0
    total: int | None = None
    """Of `done`, in the unit of its kind (bytes for a scan); None = unknown."""
    result: Mapping[str, Any] | None = None
    error: JobError | None = None
    started_at: int | None = None
    finished_at: int | None = None
    submitted_by: str | None = None
    """The id of the principal who submitted it; None for jobs of older versions."""
    submitted_by_kind: str | None = None
    """How that principal was identified; None for jobs of older versions."""

    def give_back(self, due_at: int) -> Job:
        """Return the job, queued until then, without counting this attempt."""
        return replace(
            self,
            state=JobState.QUEUED,
            attempts=self.attempts - 1,
            done=0,
            due_at=due_at,
            deliver_at=due_at,
        )

    def try_again(self, due_at: int, deliver_at: int) -> Job:
        """Return the job, queued until then."""
        return replace(self, state=JobState.QUEUED, done=0, due_at=due_at, deliver_at=deliver_at)

    def succeed(self, result: Mapping[str, Any], now: int) -> Job:
        """Return the job, finished with this result."""
        done = self.total if self.total is not None else self.done
        return replace(
            self,
            state=JobState.SUCCEEDED,
            result=result,
            done=done,
            finished_at=now,
            deliver_at=None,
        )

    def fail(self, error: JobError, now: int) -> Job:
        """Return the job, finished without a result."""
        return replace(self, state=JobState.FAILED, error=error, finished_at=now, deliver_at=None)
