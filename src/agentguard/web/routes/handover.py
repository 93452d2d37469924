"""GET /api/playbooks/{job_id}/handover."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.playbooks.handover import handover_html, handover_markdown
from agentguard.playbooks.written import written_playbook
from agentguard.web.permissions import requires
from agentguard.web.schemas.playbooks import PlaybookDocument
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api", tags=["playbooks"])

_TEXT = {"schema": {"type": "string"}}
_WRITERS = {"markdown": handover_markdown, "html": handover_html}
_ATTACHMENT = {"Content-Disposition": 'attachment; filename="playbook.html"'}


@router.get(
    "/playbooks/{job_id}/handover",
    operation_id="get_playbook_handover",
    dependencies=[requires(Permission.READ)],
    response_model=PlaybookDocument,
    responses={200: {"content": {"text/markdown": _TEXT, "text/html": _TEXT}}},
)
async def get_handover(
    job_id: Annotated[str, Path(max_length=100)],
    state: StateOf,
    written: Annotated[Literal["json", "markdown", "html"], Query(alias="format")] = "json",
) -> Response:
    """The playbook that a job wrote, for people elsewhere: as Markdown, as HTML to print, as JSON.

    HTML is one file without scripts, sent as an attachment.
    """
    document = written_playbook(await state.app.jobs.get(job_id))
    if written == "json":
        return DocumentResponse(document)
    text = _WRITERS[written](document)
    headers = _ATTACHMENT if written == "html" else None
    return Response(text, media_type=f"text/{written}", headers=headers)
