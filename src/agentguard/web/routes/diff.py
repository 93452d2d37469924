"""GET /api/graph/diff."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse, Response

from agentguard.accounts.principal import Permission
from agentguard.analysis.diff_markdown import diff_markdown
from agentguard.graph.references import SYNTAX
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.schemas.diff import DiffDocument
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["analysis"])

BeforeParameter = Annotated[str, Query(description=f"The graph before: {SYNTAX}.")]
AfterParameter = Annotated[str, Query(description="The graph after, written like `a`.")]
FormatParameter = Annotated[Literal["json", "markdown"], Query(alias="format")]


@router.get(
    "/graph/diff",
    operation_id="diff_graphs",
    dependencies=[requires(Permission.READ)],
    response_model=DiffDocument,
    responses={200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)
async def get_diff(
    state: StateOf,
    actor: ActorOf,
    a: BeforeParameter,
    b: AfterParameter,
    written: FormatParameter = "json",
) -> Response:
    """What changed from graph `a` to graph `b`.

    New, gone and changed components, dependencies, workflows, shadow agents and single points of
    failure, with evidence and the thresholds of a change.
    """
    document = await state.app.diffs.diff(actor, a, b)
    if written == "markdown":
        return PlainTextResponse(diff_markdown(document), media_type="text/markdown")
    return DocumentResponse(document)
