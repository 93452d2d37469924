"""Langfuse exports: `{"trace": {…}, "observations": […]}`, or a trace with nested observations.

Also the pages of its observations API (`{"data": […], "meta": {…}}`), and single observations, as
people save them one per line.

Spans that Langfuse received over OTLP keep their attributes, resource and scope in the
observation's metadata (an object or its JSON text). Langfuse's own fields are added under the names
of its OTLP mapping (`langfuse.observation.*`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from agentguard.ingest.formats.otlp_documents import (
    STATUS_ERROR,
    SpanDocument,
    attributes,
    json_text,
    mapping,
    objects,
    text,
)
from agentguard.ingest.formats.plain import instant
from agentguard.ingest.payloads import DocumentPayload, Refusal

# Metadata keys that hold the span's own OTLP data
_RAW = ("attributes", "resourceAttributes", "scope")


def payloads(value: dict[str, Any], origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with a span per observation, and a refusal per observation without ids.

    A model call's tokens are also stored as gen_ai.usage.*, unless the span has these attributes.
    """
    trace = mapping(value.get("trace")) or value
    document = SpanDocument()
    for n, observation in objects(observations(value)):
        metadata = _metadata(observation.get("metadata"))
        span = _span(observation, metadata, trace)
        if span["traceId"] and span["spanId"]:
            document.add(
                _resource(observation, metadata),
                text(mapping(metadata.get("scope")).get("name")),
                span,
            )
        else:
            yield Refusal(
                f"{origin}, observation {n}",
                "span-without-ids",
                "An observation needs id and traceId.",
            )
    yield DocumentPayload(origin, document.finished())


def observations(value: Mapping[str, Any]) -> object:
    """Return the observations of an export, of a page, or the single one."""
    return [value] if is_observation(value) else nested_observations(value) or value.get("data")


def nested_observations(value: Mapping[str, Any]) -> object:
    """Return the observations next to the trace or inside it; None if there are none."""
    found = value.get("observations")
    return found if isinstance(found, list) else mapping(value.get("trace")).get("observations")


def is_observation(value: Mapping[str, Any]) -> bool:
    """Return whether this is one observation: its keys are not those of other formats' spans."""
    return {"id", "traceId", "type", "startTime"} <= value.keys() and "spanId" not in value


def _metadata(value: object) -> dict[str, Any]:
    if not isinstance(value, str):
        return mapping(value)
    try:
        return mapping(orjson.loads(value))
    except orjson.JSONDecodeError:
        return {}


def _span(
    observation: Mapping[str, Any], metadata: Mapping[str, Any], trace: Mapping[str, Any]
) -> dict[str, Any]:
    start = instant(observation.get("startTime"))
    failed = text(observation.get("level")) == "ERROR"
    message = text(observation.get("statusMessage"))
    own = mapping(metadata.get("attributes"))
    return {
        "traceId": text(observation.get("traceId")) or text(trace.get("id")),
        "spanId": text(observation.get("id")),
        "parentSpanId": text(observation.get("parentObservationId")),
        "name": text(observation.get("name")),
        "kind": 0,
        "startTimeUnixNano": start,
        "endTimeUnixNano": max(start, instant(observation.get("endTime"))),
        "attributes": attributes(_usage(observation) | _known(observation, metadata, trace) | own),
        "status": {"code": STATUS_ERROR, "message": message} if failed else {},
    }


def _known(
    observation: Mapping[str, Any], metadata: Mapping[str, Any], trace: Mapping[str, Any]
) -> dict[str, object]:
    known: dict[str, object] = {
        "langfuse.observation.type": text(observation.get("type")).lower() or None,
        "langfuse.observation.level": observation.get("level"),
        "langfuse.observation.status_message": observation.get("statusMessage"),
        "langfuse.observation.model.name": observation.get("model"),
        "langfuse.observation.input": _content(observation.get("input")),
        "langfuse.observation.output": _content(observation.get("output")),
    }
    further = {
        f"langfuse.observation.metadata.{key}": value
        for key, value in metadata.items()
        if key not in _RAW
    }
    return known | further | ({} if observation.get("parentObservationId") else _of_trace(trace))


def _of_trace(trace: Mapping[str, Any]) -> dict[str, object]:
    return {
        "langfuse.trace.name": trace.get("name"),
        "session.id": trace.get("sessionId"),
        "user.id": trace.get("userId"),
    }


def _content(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json_text(value)


def _usage(observation: Mapping[str, Any]) -> dict[str, object]:
    usage = mapping(observation.get("usageDetails"))
    found = {
        "gen_ai.usage.input_tokens": usage.get("input"),
        "gen_ai.usage.output_tokens": usage.get("output"),
    }
    return {key: value for key, value in found.items() if isinstance(value, int) and value > 0}


def _resource(observation: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, object]:
    environment = text(observation.get("environment"))
    named = (
        {"deployment.environment.name": environment} if environment not in ("", "default") else {}
    )
    return named | mapping(metadata.get("resourceAttributes"))
