"""GET and POST /api/keys, and what is done to one key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from agentguard.accounts.documents import issued_document, key_document, keys_document
from agentguard.accounts.principal import Permission
from agentguard.traces.window_parsing import parse_deadline
from agentguard.web.auth import ActorOf
from agentguard.web.headers import UNCACHED
from agentguard.web.permissions import requires
from agentguard.web.schemas.keys import (
    CreateKeyRequest,
    ExpireKeyRequest,
    IssuedKeyDocument,
    KeyDocument,
    KeysDocument,
    RotateKeyRequest,
)
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api/keys", tags=["accounts"])

_MOST_SHOWN = 200
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": IssuedKeyDocument, "description": "Created. The secret is shown this once."}
}

BeforeParameter = Annotated[str | None, Query(description="`next` of the previous page.")]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Keys per page.")]


@router.get(
    "",
    operation_id="list_keys",
    dependencies=[requires(Permission.ADMIN)],
    response_model=KeysDocument,
)
async def get_keys(
    actor: ActorOf, state: StateOf, before: BeforeParameter = None, limit: LimitParameter = 50
) -> Response:
    """List API keys, the last created first, without their secrets."""
    accounts = state.app.accounts
    found = await accounts.keys.page(actor, limit, before=before)
    return DocumentResponse(keys_document(found, accounts.keys.clock(), limit))


@router.post(
    "",
    operation_id="create_key",
    dependencies=[requires(Permission.ADMIN)],
    status_code=201,
    responses=_CREATED,
)
async def create_key(actor: ActorOf, state: StateOf, wanted: CreateKeyRequest) -> Response:
    """Create an API key.

    Its secret is in this answer only; AgentGuard stores its hash. From the first key on, requests
    need credentials, also those from this machine.
    """
    keys = state.app.accounts.keys
    expires_at = _deadline(wanted.expires, keys.clock())
    issued = await keys.create(actor, wanted.name, wanted.scopes, expires_at=expires_at)
    return DocumentResponse(issued_document(issued, keys.clock()), 201, headers=UNCACHED)


@router.post(
    "/{key_id}/rotate",
    operation_id="rotate_key",
    dependencies=[requires(Permission.ADMIN)],
    response_model=IssuedKeyDocument,
)
async def rotate_key(
    key_id: str, actor: ActorOf, state: StateOf, how: RotateKeyRequest
) -> Response:
    """Give a key another secret; the former one is accepted for the overlap, by default not."""
    keys = state.app.accounts.keys
    issued = await keys.rotate(actor, key_id, overlap_seconds=how.overlap_seconds)
    return DocumentResponse(issued_document(issued, keys.clock()), headers=UNCACHED)


@router.post(
    "/{key_id}/expire",
    operation_id="expire_key",
    dependencies=[requires(Permission.ADMIN)],
    response_model=KeyDocument,
)
async def expire_key(
    key_id: str, actor: ActorOf, state: StateOf, when: ExpireKeyRequest
) -> Response:
    """Set when a key expires."""
    keys = state.app.accounts.keys
    key = await keys.expire(actor, key_id, _deadline(when.expires, keys.clock()))
    return DocumentResponse(key_document(key, keys.clock()))


@router.delete(
    "/{key_id}",
    operation_id="revoke_key",
    dependencies=[requires(Permission.ADMIN)],
    response_model=KeyDocument,
)
async def revoke_key(key_id: str, actor: ActorOf, state: StateOf) -> Response:
    """Revoke a key for good, in every process within a second. It stays in the list."""
    keys = state.app.accounts.keys
    return DocumentResponse(key_document(await keys.revoke(actor, key_id), keys.clock()))


def _deadline(text: str | None, now: int) -> int | None:
    return None if text is None else parse_deadline(text, "expires", now)
