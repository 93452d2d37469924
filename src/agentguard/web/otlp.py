"""Responses of OTLP/HTTP 1.x.

In the request's encoding: errors as google.rpc.Status, refused spans as partial success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

from agentguard.ingest.payloads import Refusal
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.traces.errors import IngestFullError, RpcCode, SpansNotStoredError
from agentguard.traces.store import Encoding
from agentguard.web.problems import RETRY_AFTER
from agentguard.web.storage import log_storage_failure, storage_failure

_MEDIA_TYPES = {"application/x-protobuf": Encoding.PROTOBUF, "application/json": Encoding.JSON}
_HTTP = {
    RpcCode.CANCELLED: 503,
    RpcCode.INVALID_ARGUMENT: 400,
    RpcCode.DEADLINE_EXCEEDED: 503,
    RpcCode.PERMISSION_DENIED: 403,
    RpcCode.RESOURCE_EXHAUSTED: 429,
    RpcCode.ABORTED: 503,
    RpcCode.OUT_OF_RANGE: 503,
    RpcCode.UNIMPLEMENTED: 404,
    RpcCode.UNAVAILABLE: 503,
    RpcCode.DATA_LOSS: 503,
    RpcCode.UNAUTHENTICATED: 401,
}
"""HTTP statuses of errors that are not 500. On 429 and 503 an exporter retries."""
_RPC_OF_STATUS = {
    400: RpcCode.INVALID_ARGUMENT,
    401: RpcCode.UNAUTHENTICATED,
    403: RpcCode.PERMISSION_DENIED,
    413: RpcCode.INVALID_ARGUMENT,
    415: RpcCode.INVALID_ARGUMENT,
    503: RpcCode.UNAVAILABLE,
}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in OTLP's terms."""

    status: int
    rpc: RpcCode
    message: str

    @property
    def retryable(self) -> bool:
        """Whether the exporter should send the request again."""
        return self.status in (429, 503)


def encoding_of(headers: Headers) -> Encoding | None:
    """Return the encoding that the content type names, or None for any other."""
    return _MEDIA_TYPES.get(headers.get("content-type", "").partition(";")[0].strip().lower())


def unsupported() -> Response:
    return PlainTextResponse(
        f"415 unsupported media type, supported: [{', '.join(_MEDIA_TYPES)}]", 415
    )


def success(encoding: Encoding, refusals: Sequence[Refusal] = ()) -> Response:
    """Answer that all spans except the refused ones were accepted."""
    if encoding is Encoding.JSON:
        rejected, message = _partial_success(refusals)
        # 64-bit integers are strings in protobuf's JSON.
        partial: Mapping[str, Any] = (
            {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}}
            if rejected
            else {}
        )
        return _answer(encoding, 200, orjson.dumps(partial))
    return _answer(encoding, 200, success_message(refusals))


def success_message(refusals: Sequence[Refusal] = ()) -> bytes:
    """Return the same answer as a message of protobuf."""
    response = ExportTraceServiceResponse()
    rejected, message = _partial_success(refusals)
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return response.SerializeToString()


def _partial_success(refusals: Sequence[Refusal]) -> tuple[int, str]:
    message = " ".join(dict.fromkeys(refusal.message for refusal in refusals[:_SHOWN]))
    return sum(refusal.spans for refusal in refusals), message


def failure(
    encoding: Encoding, failed: Failure, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer that nothing was accepted; with Retry-After if a retry can help."""
    if failed.retryable:
        headers = RETRY_AFTER
    if encoding is Encoding.JSON:
        return _answer(
            encoding,
            failed.status,
            orjson.dumps({"code": failed.rpc.value, "message": failed.message}),
            headers,
        )
    status = Status(code=failed.rpc.value, message=failed.message)
    return _answer(encoding, failed.status, status.SerializeToString(), headers)


def failure_of(error: Exception) -> Failure:
    """Translate an error, and log one of the disk; an unexpected one does not reveal its cause."""
    error = storage_failure(error) or error
    log_storage_failure(error)
    match error:
        case SpansNotStoredError():
            return Failure(_HTTP.get(error.rpc, 500), error.rpc, str(error))
        case IngestFullError():
            return Failure(429, RpcCode.RESOURCE_EXHAUSTED, str(error))
        case UnavailableError():
            return Failure(503, RpcCode.UNAVAILABLE, str(error))
        case AgentGuardError() if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return Failure(400, RpcCode.INVALID_ARGUMENT, str(error))
        case AgentGuardError() if error.status in _RPC_OF_STATUS:
            return Failure(error.status, _RPC_OF_STATUS[error.status], str(error))
    return Failure(500, RpcCode.INTERNAL, "An internal error occurred. See the server log.")


def _answer(
    encoding: Encoding, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> Response:
    media_type = next(name for name, known in _MEDIA_TYPES.items() if known is encoding)
    return Response(body, status, headers=headers, media_type=media_type)
