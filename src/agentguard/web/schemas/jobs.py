"""Documents about jobs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agentguard.jobs.model import JobKind, JobState
from agentguard.web.schemas.common import Document, Time
from agentguard.web.schemas.graph import ScanDocument
from agentguard.web.schemas.playbooks import PlaybookDocument
from agentguard.web.schemas.simulation import SimulationDocument


class JobErrorDocument(Document):
    """Why a job failed."""

    code: str
    message: str


class JobProgress(Document):
    """How much is done: all of it once the job has succeeded."""

    done: int
    total: int = Field(description="1 where the length of the work is unknown.")
    unit: Literal["bytes"] | None


class JobSummary(Document):
    """A job, without its result."""

    id: str
    kind: JobKind
    state: JobState
    attempts: int = Field(description="How often it was started.")
    submitted_by: str | None = Field(
        description="Id of the principal who submitted it; null for jobs of older versions."
    )
    progress: JobProgress
    error: JobErrorDocument | None
    created_at: Time | None
    started_at: Time | None
    finished_at: Time | None


class AnchoringRound(Document):
    """What a round of anchoring the audit log left."""

    summary: str


class JobDocument(JobSummary):
    """A job and its result."""

    result: ScanDocument | SimulationDocument | PlaybookDocument | AnchoringRound | None


class JobsDocument(Document):
    """A page of jobs, newest first."""

    jobs: list[JobSummary]
    next: str | None = Field(description="`before` of the next page; null after the last.")
