"""GET /api/jobs/{id}."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from agentguard.graph.documents import timestamp
from agentguard.jobs.model import Job
from agentguard.web.schemas.documents import JobDocument
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("/{job_id}", response_model=JobDocument)
async def get_job(job_id: str, state: StateOf) -> DocumentResponse:
    """How far a job is, and what came of it."""
    return DocumentResponse(job_document(await state.serving.jobs.get(job_id)))


def job_document(job: Job) -> dict[str, Any]:
    """Return the job as its document."""
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "progress": {"done": job.done, "total": job.total, "unit": "bytes"},
        "result": job.result,
        "error": None if job.error is None else {"code": job.error.code, "message": job.error.message},
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at or 0),
        "finished_at": timestamp(job.finished_at or 0),
    }
