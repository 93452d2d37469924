"""The Export methods of OTLP/gRPC (OpenTelemetry Protocol 1.x)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn, TypeAlias
from urllib.parse import unquote

import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from starlette.types import Scope

from agentguard.accounts.principal import Permission, Principal
from agentguard.ingest.compression import GZIP_MAGIC
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.traces.errors import RpcCode, SpansNotStoredError, UnusableDeliveryError
from agentguard.traces.receiver import Admission, Load
from agentguard.traces.store import Delivery, Encoding
from agentguard.web.auth import AuthenticationRequiredError, Authenticator
from agentguard.web.bodies import unpacked
from agentguard.web.grpc_library import grpc
from agentguard.web.intake import discard_records, take_spans
from agentguard.web.otlp import Failure, failure_of, success_message
from agentguard.web.otlp_signals import Signal
from agentguard.web.problems import RETRY_AFTER
from agentguard.web.refusals import note_refusal
from agentguard.web.state import AppState

log = structlog.get_logger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]
Take: TypeAlias = Callable[[Principal, Delivery], Awaitable[bytes]]

_METHOD = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
_TRACES = _METHOD.format("trace", "Trace")
_LOGS = _METHOD.format("logs", "Logs")
_METRICS = _METHOD.format("metrics", "Metrics")
_STATUSES = {code.value[0]: code for code in grpc.StatusCode}
_RETRY_INFO = RetryInfo(retry_delay=Duration(seconds=int(RETRY_AFTER["Retry-After"])))


class Exports(grpc.GenericRpcHandler):
    """Serves TraceService, LogsService and MetricsService.

    The methods are handled as if clients streamed their requests, which looks the same on the wire.
    A request is then refused before any of its message is read, and the message stays bytes.
    """

    def __init__(self, state: AppState, authenticator: Authenticator) -> None:
        settings = state.app.settings
        self._state, self._authenticator = state, authenticator
        self._arriving = Load(settings.ingest_max_requests, settings.ingest_max_bytes)
        self._receiving = asyncio.Semaphore(
            max(1, settings.ingest_max_bytes // (2 * settings.max_grpc_message_bytes))
        )
        self._takes: dict[str, Take] = {
            _TRACES: self._take_spans,
            _LOGS: partial(self._discard, Signal.LOGS),
            _METRICS: partial(self._discard, Signal.METRICS),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return the handler of the method; None if there is no such method."""
        method = handler_call_details.method
        if method not in self._takes:
            return None
        return grpc.stream_unary_rpc_method_handler(partial(self._export, method))

    async def _export(self, method: str, _messages: object, context: Context) -> bytes:
        began = time.perf_counter()
        try:
            answer = await self._answered(method, context)
        # The outermost frame of a request: the status tells an exporter whether to retry.
        except Exception as error:
            failed = failure_of(error)
            if failed.status == 500:
                log.exception("delivery_failed")
            if method == _TRACES:
                self._state.metrics.rejected.labels(failed.rpc.name).inc()
        else:
            if method == _TRACES:
                self._state.metrics.acknowledged.observe(time.perf_counter() - began)
            return answer
        return await _abort(context, failed)

    async def _answered(self, method: str, context: Context) -> bytes:
        actor = await self._actor(scope_of(method, context))
        with self._state.serving.receiver.load.admit() as admission:
            with self._arriving.admit() as arriving:
                arriving.reserve()
                body = await self._body(context, admission)
            admission.reserve()
            return await self._takes[method](actor, Delivery(body, Encoding.PROTOBUF))

    async def _actor(self, scope: Scope) -> Principal:
        """Return who calls. Raises what refuses the call, which is noted."""
        try:
            actor = await self._authenticator.authenticate(scope)
            if actor is None:
                raise AuthenticationRequiredError
            actor.require(Permission.INGEST)
        except AgentGuardError as error:
            if not isinstance(error, UnavailableError):
                note_refusal(self._state.serving.refused, scope, error)
            raise
        return actor

    async def _body(self, context: Context, admission: Admission) -> bytes:
        settings = self._state.app.settings
        try:
            async with asyncio.timeout(settings.acknowledge_seconds), self._receiving:
                message = await context.read()
                if not isinstance(message, bytes):
                    raise UnusableDeliveryError("no-message", "The request contains no message.")
                admission.grow(len(message))
        except TimeoutError:
            raise SpansNotStoredError(
                RpcCode.DEADLINE_EXCEEDED, "The message did not arrive in time. Send it again."
            ) from None
        # No message of protobuf starts with these bytes: field 3 would have wire type 7.
        encoding = "gzip" if message.startswith(GZIP_MAGIC) else None
        return await unpacked(message, encoding, settings.max_body_bytes, admission.grow)

    async def _take_spans(self, actor: Principal, delivery: Delivery) -> bytes:
        return success_message(await take_spans(self._state, actor, delivery))

    async def _discard(self, signal: Signal, _actor: Principal, delivery: Delivery) -> bytes:
        await discard_records(self._state, delivery, signal)
        return success_message()


def scope_of(method: str, context: Context) -> Scope:
    """Return the call as an ASGI scope, for the rules that hold for HTTP requests too."""
    return {
        "type": "http",
        "path": method,
        "headers": [(key.encode(), _bytes(value)) for key, value in _metadata(context)],
        "client": _address(context.peer()),
    }


def _metadata(context: Context) -> list[tuple[str, str | bytes]]:
    return [(key, value) for key, value in context.invocation_metadata() or ()]


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _address(peer: str) -> tuple[str, int] | None:
    """Return address and port of a peer such as `ipv4:127.0.0.1:50000` or `ipv6:[::1]:50000`."""
    family, _, address = unquote(peer).partition(":")
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if family in ("ipv4", "ipv6") else None


async def _abort(context: Context, failed: Failure) -> NoReturn:
    status = Status(code=failed.rpc.value, message=failed.message)
    if failed.retryable:
        retry = AnyMessage()
        retry.Pack(_RETRY_INFO)
        status.details.append(retry)
    await context.abort(
        _STATUSES[failed.rpc.value],
        failed.message,
        (("grpc-status-details-bin", status.SerializeToString()),),
    )
