"""POST /api/scan."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from agentguard.accounts.principal import Permission
from agentguard.ingest.errors import InputTooLargeError
from agentguard.jobs.model import Job
from agentguard.kernel.errors import AgentGuardError, InvalidInputError
from agentguard.scan.jobs import deleted_after
from agentguard.traces.receiver import Admission
from agentguard.web.auth import principal_of
from agentguard.web.bodies import content_encoding, receive, unpack
from agentguard.web.permissions import requires
from agentguard.web.routes.jobs import ACCEPTED, accepted
from agentguard.web.schemas.graph import ScanDocument
from agentguard.web.state import AppState, DocumentResponse, StateOf
from agentguard.web.windows import WindowQuery

router = APIRouter(prefix="/api", tags=["graph"])

PATH = "/api/scan"
"""Its bodies go to disk and have their own limit."""

_OBJECT = {"type": "object", "additionalProperties": True}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_OBJECT, {"type": "array", "items": _OBJECT}]},
                "examples": {
                    "plain": {
                        "value": [
                            {
                                "traceId": "abc123",
                                "spans": [
                                    {
                                        "spanId": "span1",
                                        "serviceName": "PricingAgent",
                                        "attributes": {"type": "llm"},
                                    }
                                ],
                            }
                        ]
                    }
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}

DatasetParameter = Annotated[
    str | None,
    Query(
        description=(
            "The dataset that gets the graph as its newest version. Default: a new dataset."
        )
    ),
]


BackgroundParameter = Annotated[
    bool,
    Query(
        description="Return 202 with a job at once, as for large uploads; its result is the"
        " document."
    ),
]


class UnsupportedBodyError(AgentGuardError):
    """The body is neither JSON nor a form."""

    code = "unsupported-media-type"
    status = 415

    def __init__(self) -> None:
        super().__init__("Send application/json, or multipart/form-data with a file.")


class FileMissingError(InvalidInputError):
    """The form has no file or cannot be read."""

    code = "file-missing"


class UploadTooSlowError(AgentGuardError):
    """The body did not arrive in time."""

    code = "upload-too-slow"
    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The body did not arrive within {seconds:g} s. Send smaller files, or use a faster"
            " connection."
        )


@router.post(
    "/scan",
    operation_id="scan",
    dependencies=[requires(Permission.OPERATE)],
    response_model=ScanDocument,
    responses=ACCEPTED,
    openapi_extra=_BODY,
)
async def post_scan(
    request: Request,
    state: StateOf,
    window: WindowQuery,
    dataset: DatasetParameter = None,
    *,
    background: BackgroundParameter = False,
) -> Response:
    """Build a graph from the uploaded traces only: OTLP/JSON, the plain form or any trace file.

    With a window, only the traces that start in it.
    """
    state.app.scans.check_name(dataset)
    actor, uploads = await principal_of(request), state.app.uploaded
    with state.scanning.admit() as admission:
        upload = await asyncio.to_thread(uploads.new_upload)
        with deleted_after(upload, BaseException):
            origin = await _received_in_time(request, state, upload, admission)
            admission.reserve()
        found = await uploads.accept(
            actor, upload, origin, dataset=dataset, window=window, background=background
        )
    return accepted(found) if isinstance(found, Job) else DocumentResponse(found)


async def _received_in_time(
    request: Request, state: AppState, upload: Path, admission: Admission
) -> str:
    """Write the upload to its file; return the name for refusals."""
    seconds = state.app.settings.upload_seconds
    try:
        async with asyncio.timeout(seconds):
            return await _received(request, state, upload, admission)
    except TimeoutError:
        raise UploadTooSlowError(seconds) from None


async def _received(request: Request, state: AppState, upload: Path, admission: Admission) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _received_form(request, state, upload, admission)
    if kind != "application/json":
        raise UnsupportedBodyError
    await _received_body(request, state, upload, admission)
    return "body"


async def _received_body(
    request: Request, state: AppState, upload: Path, admission: Admission
) -> None:
    packed, limit = content_encoding(request.headers), state.app.settings.max_upload_bytes
    sent = upload.with_name(upload.name + ".sent") if packed else upload
    try:
        with sent.open("wb") as stream:
            await receive(request.stream(), request.headers, limit, stream, admission.grow)
        if packed:
            await asyncio.to_thread(_unpack_file, sent, packed, limit, upload)
    finally:
        if packed:
            sent.unlink(missing_ok=True)


async def _received_form(
    request: Request, state: AppState, upload: Path, admission: Admission
) -> str:
    parser = MultiPartParser(
        request.headers,
        _bounded(request, state.app.settings.max_upload_bytes, admission),
        max_files=1,
        max_fields=8,
    )
    try:
        form = await parser.parse()
    except (MultiPartException, FormParserError, KeyError) as error:
        raise FileMissingError(
            "The form cannot be read. Send multipart/form-data with one file."
        ) from error
    try:
        file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        if file is None:
            raise FileMissingError("The form has no file. Send one as the field `file`.")
        await asyncio.to_thread(_copy, file, upload)
        return file.filename or "upload"
    finally:
        await form.close()


async def _bounded(
    request: Request, limit: int, admission: Admission
) -> AsyncGenerator[bytes, None]:
    async for chunk in request.stream():
        admission.grow(len(chunk))
        if admission.bytes > limit:
            raise InputTooLargeError.over(limit)
        yield chunk


def _copy(file: UploadFile, upload: Path) -> None:
    with upload.open("wb") as stream:
        shutil.copyfileobj(file.file, stream, 1024 * 1024)


def _unpack_file(sent: Path, packed: str, limit: int, upload: Path) -> None:
    with sent.open("rb") as source, upload.open("wb") as stream:
        unpack(source, packed, limit, stream)
