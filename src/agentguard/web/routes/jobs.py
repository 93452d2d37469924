"""GET /api/jobs, /api/jobs/{id} and its events, and cancelling."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from agentguard.accounts.principal import Permission
from agentguard.jobs.documents import job_document, job_summary
from agentguard.jobs.model import Job, JobKind, JobState
from agentguard.jobs.store import JobFilter
from agentguard.jobs.transactions import TOPIC
from agentguard.jobs.watching import changes
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.schemas.jobs import JobDocument, JobsDocument
from agentguard.web.state import DocumentResponse, StateOf
from agentguard.web.streams import event_stream

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"model": JobDocument, "description": "Accepted as a job; Location has its path."}
}

_LOOK_SECONDS = 0.5
_MOST_SHOWN = 200

StateParameter = Annotated[
    list[JobState], Query(alias="state", description="Only jobs in one of these states.")
]
KindParameter = Annotated[
    list[JobKind], Query(alias="kind", description="Only jobs of one of these kinds.")
]
BeforeParameter = Annotated[str | None, Query(description="`next` of the previous page.")]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Jobs per page.")]


def accepted(job: Job) -> DocumentResponse:
    """Return the response to a request whose work became a job."""
    return DocumentResponse(job_document(job), 202, headers={"Location": f"/api/jobs/{job.id}"})


async def _known(job_id: str, state: StateOf) -> Job:
    return await state.app.jobs.get(job_id)


JobOf = Annotated[Job, Depends(_known)]


@router.get(
    "",
    operation_id="list_jobs",
    dependencies=[requires(Permission.READ)],
    response_model=JobsDocument,
)
async def get_jobs(
    state: StateOf,
    states: StateParameter = [],  # noqa: B006 - FastAPI copies it
    kinds: KindParameter = [],  # noqa: B006 - the same
    before: BeforeParameter = None,
    limit: LimitParameter = 50,
) -> DocumentResponse:
    """List jobs, the newest first, without their results."""
    return DocumentResponse(await state.app.jobs.page(JobFilter(states, kinds, before), limit))


@router.get(
    "/{job_id}",
    operation_id="get_job",
    dependencies=[requires(Permission.READ)],
    response_model=JobDocument,
)
async def get_job(job_id: str, state: StateOf) -> DocumentResponse:
    """Return the progress and the result of a job."""
    return DocumentResponse(await state.app.jobs.document(job_id))


@router.post(
    "/{job_id}/cancel",
    operation_id="cancel_job",
    dependencies=[requires(Permission.SIMULATE)],
    response_model=JobDocument,
)
async def cancel_job(job_id: str, actor: ActorOf, state: StateOf) -> DocumentResponse:
    """Cancel a job: a queued one never starts, a running one stops at its next report of progress.

    It ends without a result; what it has stored by then stays. Cancelling it again changes nothing,
    and one that has ended otherwise is answered with 409. It needs the permission to submit such a
    job.
    """
    return DocumentResponse(job_document(await state.app.jobs.cancel(actor, job_id)))


@router.get(
    "/{job_id}/events",  # noqa: FAST003 - JobOf takes it
    operation_id="stream_job_events",
    dependencies=[requires(Permission.READ)],
    response_class=EventSourceResponse,
    responses=event_stream("`progress` and `end`, whose data is a JobSummary."),
)
async def get_job_events(job: JobOf, state: StateOf) -> AsyncIterator[ServerSentEvent]:
    """Stream the job's progress as Server-Sent Events.

    `progress` with the job, without its result, at once and after each change; `end` when the job
    has ended. The stream closes then, and when the server stops: reconnect if no `end` came.
    """
    async for seen in changes(
        state.app.jobs.store, job.id, state.streams.looks(TOPIC, look_seconds=_LOOK_SECONDS)
    ):
        yield ServerSentEvent(
            event="end" if seen.state.final else "progress", data=job_summary(seen)
        )
