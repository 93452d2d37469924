"""GET /log/…: checkpoint, key, handovers and hashes of the audit log (C2SP tlog-tiles)."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.audit.errors import HashMissingError
from agentguard.audit.tiles import handover_path, parse_path
from agentguard.bootstrap.audit_keys import verifier_of
from agentguard.kernel.errors import NotFoundError
from agentguard.web.pages import LOG_PREFIX
from agentguard.web.permissions import requires
from agentguard.web.state import AppState, StateOf

router = APIRouter(prefix=LOG_PREFIX.rstrip("/"), tags=["audit"])

_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"
_FRESH = "max-age=1"
_A_MINUTE = "max-age=60"
"""Handovers are numbered anew when a new log begins, so caches keep them only briefly."""
_FOR_EVER = "max-age=31536000, immutable"
"""What a path names never changes: a tile that grows gets another path."""
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It has not changed."}}
_AS_TEXT = _NOT_MODIFIED | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
_AS_BYTES = _NOT_MODIFIED | {
    200: {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}}
}


class EntriesNotPublishedError(NotFoundError):
    """Entries are asked for below /log."""

    code = "entries-not-published"

    def __init__(self) -> None:
        super().__init__(
            "This log publishes hashes only, never its entries. Ask the operator for the proof of"
            " an entry."
        )


@router.get(
    "/checkpoint",
    operation_id="get_log_checkpoint",
    dependencies=[requires(Permission.READ)],
    response_class=Response,
    responses=_AS_TEXT,
)
async def get_checkpoint(request: Request, state: StateOf) -> Response:
    """Return the newest checkpoint, a signed note, with the cosignatures of witnesses."""
    newest = await state.app.audit.published()
    return _kept(request, state, newest.note, _TEXT, _FRESH)


@router.get(
    "/key",
    operation_id="get_log_key",
    dependencies=[requires(Permission.READ)],
    response_class=Response,
    responses=_AS_TEXT,
)
async def get_key(request: Request, state: StateOf) -> Response:
    """Return the log's public key. Whoever verifies compares it with one from elsewhere."""
    key = await verifier_of(state.app)
    return _kept(request, state, f"{key.encode()}\n".encode(), _TEXT, _FRESH)


@router.get(
    "/handover/{number}",
    operation_id="get_log_handover",
    dependencies=[requires(Permission.READ)],
    response_class=Response,
    responses=_AS_TEXT,
)
async def get_handover(
    number: Annotated[int, Path(ge=0)], request: Request, state: StateOf
) -> Response:
    """Return a handover note from one key of the log to the next; 0 is the oldest.

    Whoever trusts an older key follows the log by them.
    """
    notes = await state.app.audit.handovers()
    if number >= len(notes):
        raise HashMissingError(handover_path(number))
    return _kept(request, state, notes[number], _TEXT, _A_MINUTE)


@router.get(
    "/tile/{path:path}",
    operation_id="get_log_tile",
    dependencies=[requires(Permission.READ)],
    response_class=Response,
    responses=_AS_BYTES,
)
async def get_tile(path: str, request: Request, state: StateOf) -> Response:
    """Return a tile, up to 256 hashes: `LEVEL/NUMBER`, or `LEVEL/NUMBER.p/WIDTH` of its beginning.

    Entries (`entries/…`) are not published.
    """
    if path.startswith("entries/"):
        raise EntriesNotPublishedError
    tile = parse_path(f"tile/{path}")
    content = await state.app.audit.tiles([tile])
    return _kept(request, state, content[tile], _BYTES, _FOR_EVER)


def _kept(
    request: Request, state: AppState, content: bytes, media_type: str, how_long: str
) -> Response:
    """Return the content, or 304 to a client that has it."""
    whose = "public" if state.app.settings.audit_log_public else "private"
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"{whose}, {how_long}"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
