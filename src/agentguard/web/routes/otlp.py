"""POST /v1/traces, /v1/logs, /v1/metrics: OTLP/HTTP (OpenTelemetry Protocol 1.x)."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from agentguard.accounts.principal import Permission, Principal
from agentguard.traces.errors import RpcCode, SpansNotStoredError
from agentguard.traces.receiver import Admission
from agentguard.traces.store import Delivery, Encoding
from agentguard.web.auth import ActorOf
from agentguard.web.bodies import BodyTooSlowError, content_encoding, receive, unpacked
from agentguard.web.intake import discard_records, take_spans
from agentguard.web.otlp import encoding_of, failure, failure_of, success, unsupported
from agentguard.web.otlp_signals import Signal
from agentguard.web.permissions import requires
from agentguard.web.state import AppState, StateOf

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", tags=["otlp"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-protobuf": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {"type": "object", "additionalProperties": True}},
        },
    }
}
_STATUS = {
    "schema": {
        "type": "object",
        "description": "google.rpc.Status",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        "required": ["code", "message"],
    }
}
_SUCCESS = {
    "schema": {
        "type": "object",
        "properties": {
            "partialSuccess": {
                "type": "object",
                "properties": {
                    "rejectedSpans": {"type": "string"},
                    "errorMessage": {"type": "string"},
                },
            }
        },
    }
}
_PROTOBUF = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Accepted; `partialSuccess` counts what was rejected.",
        "content": {"application/json": _SUCCESS, "application/x-protobuf": _PROTOBUF},
    },
    **{
        status: {
            "description": text,
            "content": {"application/json": _STATUS, "application/x-protobuf": _PROTOBUF},
        }
        for status, text in (
            (400, "Nothing in the body can be read, or a query parameter is unknown."),
            (401, "The request has no valid credentials."),
            (403, "The permission `ingest` is missing."),
            (404, "The storage does not implement this signal."),
            (413, "The body is too large."),
            (429, "Too many requests are in progress."),
            (500, "An internal error occurred."),
            (503, "Temporarily unavailable."),
        )
    },
    415: {
        "description": "The content type is neither protobuf nor JSON, or the encoding is unknown.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/json": _STATUS,
            "application/x-protobuf": _PROTOBUF,
        },
    },
}

Take = Callable[[AppState, Delivery], Awaitable[Response]]


@router.post(
    "/traces",
    operation_id="export_traces",
    dependencies=[requires(Permission.INGEST)],
    openapi_extra=_BODY,
    responses=_RESPONSES,
)
async def traces(request: Request, state: StateOf, actor: ActorOf) -> Response:
    """Store spans: after a response of 200 they are on disk."""
    began = time.perf_counter()
    response = await _answered(request, state, partial(_take_spans, actor))
    if response.status_code == 200:
        state.metrics.acknowledged.observe(time.perf_counter() - began)
    else:
        state.metrics.rejected.labels(response.status_code).inc()
    return response


@router.post(
    "/logs",
    operation_id="export_logs",
    dependencies=[requires(Permission.INGEST)],
    openapi_extra=_BODY,
    responses=_RESPONSES,
)
async def logs(request: Request, state: StateOf) -> Response:
    """Count log records and discard them: only spans are stored."""
    return await _answered(request, state, lambda s, delivery: _count(s, delivery, Signal.LOGS))


@router.post(
    "/metrics",
    operation_id="export_metrics",
    dependencies=[requires(Permission.INGEST)],
    openapi_extra=_BODY,
    responses=_RESPONSES,
)
async def metrics(request: Request, state: StateOf) -> Response:
    """Count metrics and discard them: only spans are stored."""
    return await _answered(request, state, lambda s, delivery: _count(s, delivery, Signal.METRICS))


async def _answered(request: Request, state: AppState, take: Take) -> Response:
    encoding = encoding_of(request.headers)
    try:
        packed = content_encoding(request.headers)
        if encoding is None:
            return unsupported()
        with state.serving.receiver.load.admit() as admission:
            body = await _body(request, state, packed, admission)
            admission.reserve()
            return await take(state, Delivery(body, encoding))
    except ClientDisconnect:
        return Response(status_code=400)  # the client is gone
    # The outermost frame of a delivery: OTLP's own status tells an exporter whether to retry.
    except Exception as error:
        failed = failure_of(error)
        if failed.status == 500:
            log.exception("delivery_failed")
        return failure(encoding or Encoding.JSON, failed)


async def _body(
    request: Request, state: AppState, packed: str | None, admission: Admission
) -> bytes:
    limit, buffer = state.app.settings.max_body_bytes, io.BytesIO()
    try:
        async with asyncio.timeout(state.app.settings.acknowledge_seconds):
            await receive(request.stream(), request.headers, limit, buffer, admission.grow)
    except (TimeoutError, BodyTooSlowError):
        raise SpansNotStoredError(
            RpcCode.DEADLINE_EXCEEDED, "The body did not arrive in time. Send it again."
        ) from None
    return await unpacked(buffer.getvalue(), packed, limit, admission.grow)


async def _take_spans(actor: Principal, state: AppState, delivery: Delivery) -> Response:
    return success(delivery.encoding, await take_spans(state, actor, delivery))


async def _count(state: AppState, delivery: Delivery, signal: Signal) -> Response:
    await discard_records(state, delivery, signal)
    return success(delivery.encoding)
