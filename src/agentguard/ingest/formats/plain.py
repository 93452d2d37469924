"""The plain format: a JSON list of traces with their spans.

`[{"traceId", "spans": [{spanId, parentSpanId, serviceName, attributes, duration, status,
timestamp}]}]`. Only ids are required; `name`, `kind` and, in a span, `traceId` are read too.
Durations are in microseconds. A timestamp is ISO 8601 text (UTC if it has no offset) or a number
since 1970 whose unit follows from its magnitude: below 1e11 seconds, below 1e14 milliseconds, below
1e17 microseconds, else nanoseconds. That is correct from 1973 to 2262, the end of 64-bit
nanoseconds. Any other timestamp is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from agentguard.ingest.formats.kinds import MALFORMED, MalformedError, accepted, check
from agentguard.ingest.formats.otlp_documents import (
    KINDS,
    STATUS_ERROR,
    STATUS_OK,
    SpanDocument,
    attributes,
    mapping,
    nanoseconds,
    text,
)
from agentguard.ingest.payloads import DocumentPayload, Refusal
from agentguard.ingest.rejections import WITHOUT_IDS

# Upper bound → nanoseconds per unit
_UNITS = ((1e11, 10**9), (1e14, 10**6), (1e17, 10**3), (float("inf"), 1))
_CODES = {"ERROR": STATUS_ERROR, "2": STATUS_ERROR, "OK": STATUS_OK, "1": STATUS_OK}


def payloads(value: object, origin: str) -> Iterator[DocumentPayload | Refusal]:
    """Yield one document with all spans, and a refusal for each unusable span."""
    document = SpanDocument()
    for found in _spans(value, origin):
        if isinstance(found, Refusal):
            yield found
            continue
        place, trace_id, span = found
        try:
            document.add(_resource(span), "", _span(span, trace_id))
        except MalformedError as error:
            yield error.refusal(place)
    yield DocumentPayload(origin, document.finished())


def instant(value: object) -> int:
    """Return a timestamp as nanoseconds since 1970 by this module's rule; 0 if unknown."""
    if isinstance(value, str) and not _is_number(value):
        return _iso_nanoseconds(value)
    try:
        number = int(text(value)) if not isinstance(value, float) else value
        scale = next(per_unit for below, per_unit in _UNITS if abs(number) < below)
        return int(number * scale) if abs(number * scale) < 2**63 else 0
    except (ValueError, OverflowError, StopIteration):
        return 0


def _is_number(written: str) -> bool:
    return written.strip().lstrip("-").isdecimal()


def _iso_nanoseconds(written: str) -> int:
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        return 0
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(
        1970, 1, 1, tzinfo=UTC
    )
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000


def _spans(value: object, origin: str) -> Iterator[tuple[str, str, dict[str, Any]] | Refusal]:
    """Yield each span with its location and its trace id."""
    for number, item in enumerate(value if isinstance(value, list) else [value], 1):
        if not isinstance(item, dict):
            message = "A trace, or a span outside traces, must be an object."
            yield Refusal(f"{origin}, item {number}", MALFORMED, message)
        elif item.get("spans") is None:
            yield f"{origin}, span {number}", "", item
        else:
            for found in accepted(item["spans"], {}, f"{origin}, trace {number}", "span"):
                if isinstance(found, Refusal):
                    yield found
                else:
                    yield found[0], text(item.get("traceId")), found[1]


def _span(span: Mapping[str, Any], trace_id: str) -> dict[str, Any]:
    start = instant(span.get("timestamp"))
    ids = {
        "traceId": text(span.get("traceId")) or trace_id,
        "spanId": text(span.get("spanId")),
    }
    if missing := [key for key, written in ids.items() if not written]:
        message = f"The span has no {missing[0]}; every span needs one."
        raise MalformedError(message, WITHOUT_IDS)
    return ids | {
        "parentSpanId": text(span.get("parentSpanId")),
        "name": text(span.get("name")),
        "kind": _kind(span.get("kind")),
        "startTimeUnixNano": start,
        "endTimeUnixNano": start + nanoseconds(span.get("duration")),
        "attributes": _attributes(span.get("attributes")),
        "status": _status(span.get("status")),
    }


def _attributes(value: object) -> list[dict[str, Any]]:
    """Return an object as KeyValues; a list is assumed to contain KeyValues already."""
    if isinstance(value, list):
        check(value, [{}], "`attributes` of a span")
        return value
    if value is not None:
        check(value, {}, "`attributes` of a span")
    return attributes(mapping(value))


def _kind(value: object) -> int:
    written = text(value).upper().removeprefix("SPAN_KIND_")
    return int(written) if written in map(str, KINDS.values()) else KINDS.get(written, 0)


def _status(value: object) -> dict[str, Any]:
    if isinstance(value, list):
        raise MalformedError("`status` of a span must be an object or a code.")
    status = mapping(value) or {"code": value}
    code = _CODES.get(text(status.get("code")).upper().removeprefix("STATUS_CODE_"), 0)
    message = text(status.get("message"))
    return {"code": code} | ({"message": message} if message else {})


def _resource(span: Mapping[str, Any]) -> dict[str, object]:
    service = text(span.get("serviceName"))
    return {"service.name": service} if service else {}
