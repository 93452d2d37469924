"""All telemetry of the demo systems.

The SDK and exporter, published instrumentations, and the two spans that agent authors write.

The spans `invoke_agent NAME` and `execute_tool NAME` follow the OpenTelemetry semantic conventions
for generative AI. Everything else comes from the instrumentation libraries.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from fastapi import FastAPI
from httpx import URL
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.dbapi import trace_integration
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from demo.counting import Counts
from demo.system import System

_QUEUE_SIZE = 20_000
_EXPORT_EVERY_MILLIS = 1_000
_FLUSH_TIMEOUT_MILLIS = 10_000
_PROBE_TIMEOUT_SECONDS = 3


class CountedExporter(SpanExporter):
    """Counts the spans that the receiver accepted and rejected."""

    def __init__(self, exporter: SpanExporter, counts: Counts) -> None:
        self._exporter = exporter
        self._counts = counts

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export the spans."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._counts.spans_sent += len(spans)
        else:
            self._counts.spans_refused += len(spans)
        return result

    def shutdown(self) -> None:
        """Close the exporter."""
        self._exporter.shutdown()


def start_telemetry(service: str, system: System, otlp: str, counts: Counts) -> TracerProvider:
    """Set up the SDK for this process: spans go to the OTLP/HTTP receiver at this base URL.

    The exporter itself reads OTEL_EXPORTER_OTLP_HEADERS, where an API key goes.
    """
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = system.conventions
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": system.name,
            "deployment.environment.name": "demo",
        }
    )
    provider = TracerProvider(resource=resource)
    exporter = CountedExporter(OTLPSpanExporter(endpoint=_endpoint(otlp)), counts)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=_QUEUE_SIZE, schedule_delay_millis=_EXPORT_EVERY_MILLIS
        )
    )
    trace.set_tracer_provider(provider)
    OpenAIInstrumentor().instrument()
    HTTPXClientInstrumentor().instrument()
    # The library asks for the module here, and types it as something to call.
    trace_integration(
        sqlite3,  # type: ignore[arg-type]
        "connect",
        "sqlite",
        connection_attributes={"database": "database"},
    )
    return provider


def takes_spans(otlp: str) -> bool:
    """Whether a receiver at this base URL takes an (empty) request, with the headers that the
    environment sets.
    """
    exporter = OTLPSpanExporter(endpoint=_endpoint(otlp), timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        return exporter.export([]) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()


def _endpoint(otlp: str) -> str:
    return f"{otlp.rstrip('/')}/v1/traces"


def stop_telemetry(provider: TracerProvider) -> None:
    """Flush the remaining spans and shut down."""
    provider.force_flush(_FLUSH_TIMEOUT_MILLIS)
    provider.shutdown()


def trace_requests(app: FastAPI) -> None:
    """Trace requests to the app, except readiness probes."""
    FastAPIInstrumentor.instrument_app(
        app, excluded_urls="/health", exclude_spans=["send", "receive"]
    )


def invoke_agent(
    name: str, description: str, model: str, conversation: str
) -> AbstractContextManager[None]:
    """Span of one run of an agent; an exception that passes through marks it as failed."""
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": name,
        "gen_ai.agent.description": description,
        "gen_ai.request.model": model,
        "gen_ai.conversation.id": conversation,
    }
    return _span(f"invoke_agent {name}", attributes)


def execute_tool(name: str, call_id: str) -> AbstractContextManager[None]:
    """Span of one execution of a tool; an exception that passes through marks it as failed."""
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call_id,
    }
    return _span(f"execute_tool {name}", attributes)


def call_tool(name: str, call_id: str, address: URL) -> AbstractContextManager[None]:
    """Span of a client's call of a tool over the Model Context Protocol."""
    attributes = _mcp(name, call_id)
    attributes |= {"server.address": address.host, "server.port": address.port or 80}
    return _span(f"tools/call {name}", attributes, SpanKind.CLIENT)


def serve_tool(name: str, call_id: str) -> AbstractContextManager[None]:
    """Span of a server's answer to the same call."""
    return _span(f"tools/call {name}", _mcp(name, call_id), SpanKind.SERVER)


def _mcp(name: str, call_id: str) -> dict[str, str | int]:
    return {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "jsonrpc.request.id": call_id,
    }


@contextmanager
def _span(
    name: str, attributes: Mapping[str, str | int], kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[None]:
    # The error's type and message are recorded, its stack trace is not: that would show where this
    # machine keeps its files.
    with trace.get_tracer("demo.agents").start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__qualname__)
            raise
