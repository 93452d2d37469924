"""Langfuse exports: `{"trace": {…}, "observations": […]}`, or a trace with nested observations.

Also pages of its observations APIs (`{"data": […], "meta": {…}}`), lists of observations (table and
blob storage exports; there with names in snake case), and single ones, one per line.

Spans that Langfuse received over OTLP keep their attributes, resource and scope in the
observation's metadata (an object or its JSON text). Langfuse's own fields are added under the names
of its OTLP mapping (`langfuse.observation.*`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from agentguard.ingest.formats.kinds import MALFORMED, MalformedError, Shape, accepted, check
from agentguard.ingest.formats.otlp_documents import (
    STATUS_ERROR,
    SpanDocument,
    attributes,
    json_text,
    mapping,
    text,
)
from agentguard.ingest.formats.plain import instant
from agentguard.ingest.numbers import amount
from agentguard.ingest.payloads import DocumentPayload, Refusal
from agentguard.ingest.rejections import WITHOUT_IDS

# Metadata keys that hold the span's own OTLP data
_RAW = ("attributes", "resourceAttributes", "scope")
_IDENTIFYING = ({"id", "traceId", "type", "startTime"}, {"id", "trace_id", "type", "start_time"})
_NAMES = {
    "trace_id": "traceId",
    "parent_observation_id": "parentObservationId",
    "start_time": "startTime",
    "end_time": "endTime",
    "status_message": "statusMessage",
    "provided_model_name": "model",
    "providedModelName": "model",
    "usage_details": "usageDetails",
    "cost_details": "costDetails",
    "total_cost": "totalCost",
    "trace_name": "traceName",
    "session_id": "sessionId",
    "user_id": "userId",
}
"""Names in blob storage exports and in the second observations API, and those used here."""
_METADATA: Shape = {key: {} for key in _RAW}


def payloads(value: dict[str, Any], origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with a span per observation, and a refusal per unusable observation.

    A model call's tokens are also stored as gen_ai.usage.*, unless the span has these attributes.
    An observation whose metadata has another form is kept without it, and this is reported.
    """
    document = SpanDocument()
    if value.get("trace") is not None and not isinstance(value["trace"], dict):
        yield Refusal(origin, MALFORMED, "`trace` must be an object; it was not used.", 0)
    trace = mapping(value.get("trace")) or value
    for found in accepted(observations(value), {}, origin, "observation"):
        if isinstance(found, Refusal):
            yield found
            continue
        place, observation = found[0], _with_known_names(found[1])
        metadata, fault = _metadata(observation.get("metadata"))
        if fault is not None:
            yield fault.refusal(place, spans=0)
        try:
            _add(document, observation, metadata, trace)
        except MalformedError as error:
            yield error.refusal(place)
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
    return "spanId" not in value and any(keys <= value.keys() for keys in _IDENTIFYING)


def is_without_observations(value: Mapping[str, Any]) -> bool:
    """Return whether this is a score, a session, or a trace alone: they contain no spans."""
    keys = value.keys()
    return not keys.isdisjoint({"projectId", "project_id"}) and (
        {"value", "name"} <= keys
        or {"id", "timestamp", "name"} <= keys
        or isinstance(value.get("traces"), list)
    )


def _with_known_names(observation: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(key, key): value for key, value in observation.items()}


def _metadata(value: object) -> tuple[dict[str, Any], MalformedError | None]:
    """Return the usable part of the metadata, and why another part is not usable."""
    found = _parsed(value)
    if found is None or found == "":
        return {}, None
    try:
        check(found, {}, "`metadata`")
        check(found, _METADATA, "`metadata`")
    except MalformedError as error:
        usable = {
            key: item
            for key, item in mapping(found).items()
            if key not in _RAW or isinstance(item, dict)
        }
        return usable, MalformedError(f"{error} The observation was kept without it.")
    return mapping(found), None


def _parsed(value: object) -> object:
    """Return the value of JSON text; other text and values unchanged."""
    try:
        return orjson.loads(value) if isinstance(value, str) and value else value
    except orjson.JSONDecodeError:
        return value


def _add(
    document: SpanDocument,
    observation: Mapping[str, Any],
    metadata: Mapping[str, Any],
    trace: Mapping[str, Any],
) -> None:
    span = _span(observation, metadata, trace)
    if not (span["traceId"] and span["spanId"]):
        raise MalformedError("An observation needs id and traceId.", WITHOUT_IDS)
    scope = text(mapping(metadata.get("scope")).get("name"))
    document.add(_resource(observation, metadata), scope, span)


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
        "langfuse.observation.status_message": observation.get("statusMessage") or None,
        "langfuse.observation.model.name": observation.get("model") or None,
        "langfuse.observation.cost_details": _cost(observation),
        "langfuse.observation.input": _content(observation.get("input")),
        "langfuse.observation.output": _content(observation.get("output")),
    }
    further = {
        f"langfuse.observation.metadata.{key}": value
        for key, value in metadata.items()
        if key not in _RAW
    }
    return known | further | _of_trace(observation, trace)


def _of_trace(observation: Mapping[str, Any], trace: Mapping[str, Any]) -> dict[str, object]:
    """Return what the first observation of a trace tells about the trace."""
    if observation.get("parentObservationId"):
        return {}
    return {
        "langfuse.trace.name": observation.get("traceName") or trace.get("name"),
        "session.id": observation.get("sessionId") or trace.get("sessionId"),
        "user.id": observation.get("userId") or trace.get("userId"),
    }


def _content(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json_text(value)


def _usage(observation: Mapping[str, Any]) -> dict[str, object]:
    if (usage := _parsed(observation.get("usageDetails") or None)) is not None:
        check(usage, {}, "`usageDetails`")
    usage = mapping(usage)
    found = {
        "gen_ai.usage.input_tokens": usage.get("input"),
        "gen_ai.usage.output_tokens": usage.get("output"),
    }
    amounts = {key: amount(value) for key, value in found.items()}
    return {key: int(value) for key, value in amounts.items() if value is not None and value > 0}


def _cost(observation: Mapping[str, Any]) -> object:
    if observation.get("totalCost"):
        return {"total": observation["totalCost"]}
    return _parsed(observation.get("costDetails") or None)


def _resource(observation: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, object]:
    environment = text(observation.get("environment"))
    named = (
        {"deployment.environment.name": environment} if environment not in ("", "default") else {}
    )
    return named | mapping(metadata.get("resourceAttributes"))
