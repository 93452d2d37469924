"""GET /api/traces/{trace_id}."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.scan.trace_view import MOST_SPANS, USUAL_SPANS
from agentguard.web.permissions import requires
from agentguard.web.schemas.traces import TraceDocument
from agentguard.web.selection import DatasetParameter
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["evidence"])

_LONGEST_ID = 1_000


@router.get(
    "/traces/{trace_id:path}",
    operation_id="get_trace",
    dependencies=[requires(Permission.READ)],
    response_model=TraceDocument,
)
async def get_trace(
    trace_id: Annotated[str, Path(max_length=_LONGEST_ID)],
    state: StateOf,
    dataset: DatasetParameter = None,
    version: Annotated[
        str | None,
        Query(description="Id of a stored graph version: the trace's calls among its runs."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_SPANS, description="Spans to show.")] = USUAL_SPANS,
) -> Response:
    """One stored trace as a tree of spans, with roles, owners and the failing path.

    Its spans where they are stored; else its calls among the recorded runs of graph versions. 404
    says whether the trace expired or was never stored, as far as that is known.
    """
    traces = state.app.stored_traces
    return DocumentResponse(
        await traces.trace(trace_id, dataset=dataset, version=version, limit=limit)
    )
