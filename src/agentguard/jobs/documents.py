"""The JSON documents about jobs: as the API and the CLI return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from agentguard.jobs.dispatch import DeadLetter
from agentguard.jobs.model import Job, JobState
from agentguard.kernel.clock import timestamp

Document: TypeAlias = dict[str, Any]


def job_document(job: Job) -> Document:
    """Return the job with its result."""
    return job_summary(job) | {"result": job.result}


def job_summary(job: Job) -> Document:
    """Return the job without its result, which may be large."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "attempts": job.attempts,
        "submitted_by": job.submitted_by,
        "progress": _progress(job),
        "error": (
            None if job.error is None else {"code": job.error.code, "message": job.error.message}
        ),
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at or 0),
        "finished_at": timestamp(job.finished_at or 0),
    }


def _progress(job: Job) -> Document:
    """Return how much is done; a job of unknown length counts as one step."""
    if job.total is None:
        return {"done": int(job.state is JobState.SUCCEEDED), "total": 1, "unit": None}
    return {"done": job.done, "total": job.total, "unit": "bytes"}


def jobs_document(jobs: Sequence[Job], limit: int) -> Document:
    """Return a page of jobs.

    `next` is the value of `before` for the next page, None after the last.
    """
    return {
        "jobs": [job_summary(job) for job in jobs],
        "next": jobs[-1].id if len(jobs) == limit else None,
    }


def dead_letters_document(letters: Sequence[DeadLetter]) -> Document:
    """Return the contents of the dead-letter queue."""
    return {
        "dead_letters": [
            {
                "job_id": letter.job_id,
                "task": letter.task,
                "reason": letter.reason,
                "died_at": timestamp(letter.died_at or 0),
            }
            for letter in letters
        ]
    }
