"""GET /api/audit/entries, /checkpoint, /proof, /consistency; POST /api/audit/verify."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import PlainTextResponse, Response

from agentguard.accounts.principal import Permission
from agentguard.audit.canonical import parse_json
from agentguard.audit.checkpoints import SignedCheckpoint
from agentguard.audit.documents import (
    checkpoint_document,
    consistency_document,
    entry_document,
    page_document,
    proof_document,
    verification_document,
)
from agentguard.audit.keys import VerifierKey
from agentguard.audit.merkle import MAX_SIZE
from agentguard.audit.proofs import FILE_SUFFIX
from agentguard.audit.store import EntryFilter
from agentguard.audit.verifying import OriginalData, Verification, VerificationService
from agentguard.bootstrap.audit_keys import verifier_of
from agentguard.bootstrap.audit_services import verification_of
from agentguard.traces.window_parsing import LONGEST_TEXT
from agentguard.web.permissions import requires
from agentguard.web.schemas.audit import (
    CheckpointDocument,
    ConsistencyDocument,
    EntriesDocument,
    EntryDocument,
    ProofDocument,
    ProofFormat,
    VerificationDocument,
    VerifyRequest,
)
from agentguard.web.state import AppState, DocumentResponse, StateOf
from agentguard.web.windows import times_of

router = APIRouter(prefix="/api/audit", tags=["audit"])

_MOST_SHOWN = 1000
_TEXT = "text/plain"
_AS_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {_TEXT: {"schema": {"type": "string"}}}}
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/VerifyRequest"}},
            _TEXT: {"schema": {"type": "string"}},
        },
    }
}

IndexParameter = Annotated[int, Path(ge=0, le=MAX_SIZE)]
ActorParameter = Annotated[str | None, Query(description="Only what this principal did.")]
ActionParameter = Annotated[
    str | None, Query(description="Only this, such as `scan.stored`.", max_length=100)
]
ObjectParameter = Annotated[
    str | None, Query(alias="object", description="Only what was done to it.")
]
IncidentParameter = Annotated[
    str | None, Query(max_length=100, description="Only what was done to this incident; its id.")
]
SinceParameter = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description="Only entries of this time (ISO 8601, or how long ago: 15m, 24h, 7d) or later.",
    ),
]
UntilParameter = Annotated[
    str | None, Query(max_length=LONGEST_TEXT, description="Only entries before this time.")
]
BeforeParameter = Annotated[
    int | None, Query(ge=0, le=MAX_SIZE, description="`next` of the previous page.")
]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Entries per page.")]
SizeParameter = Annotated[
    int | None,
    Query(ge=1, le=MAX_SIZE, description="Size of a checkpoint, instead of the newest one."),
]
FormatParameter = Annotated[
    ProofFormat | None,
    Query(alias="format", description="`tlog-proof`: the file, as with `Accept: text/plain`."),
]


def _times(
    state: StateOf, since: SinceParameter = None, until: UntilParameter = None
) -> tuple[int | None, int | None]:
    return times_of(state, since, until)


def _filter(
    times: Annotated[tuple[int | None, int | None], Depends(_times)],
    actor: ActorParameter = None,
    action: ActionParameter = None,
    object_id: ObjectParameter = None,
    before: BeforeParameter = None,
    incident: IncidentParameter = None,
) -> EntryFilter:
    return EntryFilter(actor, action, object_id, *times, before, incident)


FilterQuery = Annotated[EntryFilter, Depends(_filter)]
"""Which entries are shown. Raises TimeWindowError."""


@router.get(
    "/entries",
    operation_id="list_audit_entries",
    dependencies=[requires(Permission.READ)],
    response_model=EntriesDocument,
)
async def get_entries(state: StateOf, wanted: FilterQuery, limit: LimitParameter = 50) -> Response:
    """List what was done, the newest first."""
    return DocumentResponse(page_document(await state.app.audit.entries(wanted, limit), limit))


@router.get(
    "/entries/{index}",
    operation_id="get_audit_entry",
    dependencies=[requires(Permission.READ)],
    response_model=EntryDocument,
)
async def get_entry(index: IndexParameter, state: StateOf) -> Response:
    """Return one entry."""
    return DocumentResponse(entry_document(await state.app.audit.entry(index)))


@router.get(
    "/checkpoint",
    operation_id="get_audit_checkpoint",
    dependencies=[requires(Permission.READ)],
    response_model=CheckpointDocument,
)
async def get_checkpoint(state: StateOf, size: SizeParameter = None) -> Response:
    """Return the newest checkpoint, or the stored one of a size, and who has signed it."""
    stored = await state.app.audit.published(size)
    keys = await _known_keys(state)
    return DocumentResponse(
        checkpoint_document(SignedCheckpoint.parse(stored.note), stored.time, keys)
    )


@router.get(
    "/proof/{index}",
    operation_id="get_audit_proof",
    dependencies=[requires(Permission.READ)],
    response_model=ProofDocument,
    responses=_AS_TEXT,
)
async def get_proof(
    index: IndexParameter,
    request: Request,
    state: StateOf,
    size: SizeParameter = None,
    written: FormatParameter = None,
) -> Response:
    """Return an entry, the proof that it is in the log, and the checkpoint that it is for.

    As a file for `agentguard audit verify` with `format=tlog-proof` or `Accept: text/plain`.
    """
    keys = await _known_keys(state)
    bundle = await state.app.audit.bundle(index, keys[0], size=size)
    if written != "tlog-proof" and (written or not _prefers_text(request)):
        return DocumentResponse(proof_document(bundle, keys))
    name = f'attachment; filename="entry-{index}{FILE_SUFFIX}"'
    return PlainTextResponse(bundle.encode(), headers={"Content-Disposition": name})


@router.get(
    "/consistency",
    operation_id="get_audit_consistency",
    dependencies=[requires(Permission.READ)],
    response_model=ConsistencyDocument,
    responses=_AS_TEXT,
)
async def get_consistency(
    request: Request,
    state: StateOf,
    old_size: Annotated[int, Query(alias="from", ge=1, le=MAX_SIZE)],
    size: Annotated[
        int | None, Query(alias="to", ge=1, le=MAX_SIZE, description="Default: the whole log.")
    ] = None,
) -> Response:
    """Return the proof that the log of one size begins with the log of a smaller one.

    With `Accept: text/plain`, one hash per line, for `agentguard audit verify --consistency`.
    """
    document = consistency_document(await state.app.audit.consistency(old_size, size))
    if _prefers_text(request):
        return PlainTextResponse("".join(f"{step}\n" for step in document["proof"]))
    return DocumentResponse(document)


@router.post(
    "/verify",
    operation_id="verify_audit",
    dependencies=[requires(Permission.READ)],
    response_model=VerificationDocument,
    openapi_extra=_BODY,
)
async def post_verify(request: Request, state: StateOf) -> Response:
    """Check a bundle, or that a transaction anchored an entry, against this log.

    Each check is verified, failed or not checkable. This server vouches for itself here: whoever
    does not trust it runs `agentguard audit verify` elsewhere.
    """
    found = await _verified(request, await verification_of(state.app))
    return DocumentResponse(verification_document(found))


async def _verified(request: Request, service: VerificationService) -> Verification:
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _TEXT:
        return await service.bundle(body)
    wanted = _parsed(body)
    if wanted.bundle is not None:
        return await service.bundle(wanted.bundle.encode())
    assert wanted.tx_hash is not None  # noqa: S101 - VerifyRequest has checked it
    assert wanted.data is not None  # noqa: S101 - the same
    entry = wanted.data.entry.model_dump(by_alias=True)
    data = OriginalData(entry, wanted.data.payload, wanted.data.salt)
    return await service.original(data, wanted.tx_hash.lower())


def _parsed(body: bytes) -> VerifyRequest:
    """Return the request in a JSON body, in which no key may be given twice."""
    try:
        return VerifyRequest.model_validate(parse_json(body, "request body"))
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None


def _prefers_text(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return _TEXT in accepted and "json" not in accepted


async def _known_keys(state: AppState) -> tuple[VerifierKey, ...]:
    """Return the log's key, then those of the witnesses."""
    return (await verifier_of(state.app), *state.app.witnesses)
