"""Playbooks that jobs have written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentguard.jobs.model import Job, JobKind
from agentguard.kernel.errors import ConflictError, NotFoundError


class NoPlaybookError(NotFoundError):
    """The job is of another kind."""

    code = "no-playbook"

    def __init__(self, job: Job) -> None:
        super().__init__(f"The job {job.id!r} writes no playbook: its kind is {job.kind!r}.")


class PlaybookNotWrittenError(ConflictError):
    """The job has written no playbook: it has not finished, or failed."""

    code = "playbook-not-written"

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"The job {job.id!r} has written no playbook: it is {job.state.value}. See"
            f" `agentguard jobs show {job.id}`."
        )


def written_playbook(job: Job) -> Mapping[str, Any]:
    """Return the document that the job wrote.

    Raises NoPlaybookError and PlaybookNotWrittenError.
    """
    if job.kind != JobKind.PLAYBOOK.value:
        raise NoPlaybookError(job)
    if job.result is None:
        raise PlaybookNotWrittenError(job)
    return job.result
