"""Merges partial reports of Zipkin v2 spans and separates client from server halves.

Follows zipkin2.internal.Trace and zipkin2.Span.Builder (openzipkin/zipkin 878ce2a), with one
exception: spans with one id and different start times are not merged; they are repetitions (a
message received again).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from agentguard.ingest.formats.otlp_documents import mapping, nanoseconds, objects, text

Span: TypeAlias = dict[str, Any]

_LONG, _SHORT = 32, 16  # hex digits of a trace id, full and truncated to 64 bits
_ENDPOINT = ("serviceName", "ipv4", "ipv6", "port")


def traces(spans: Iterable[Span]) -> list[list[Span]]:
    """Return the spans by trace, in order of first occurrence.

    A trace id truncated to 64 bits belongs to the full id with the same lower half.
    """
    spans = list(spans)
    whole = {
        trace_id[_SHORT:]: trace_id
        for trace_id in sorted({text(s.get("traceId")) for s in spans})
        if len(trace_id) == _LONG
    }
    found: dict[str, list[Span]] = {}
    for span in spans:
        trace_id = text(span.get("traceId"))
        found.setdefault(whole.get(trace_id, trace_id), []).append(span)
    return list(found.values())


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return one trace's spans by id, each once, client half before server halves.

    Partial reports of one half become one span. All get the longest trace id; a half without a
    parent gets the other's, a server half gets its `shared` flag, and a span that is its own parent
    becomes a root.
    """
    ordered = sorted((_without_self_parent(span) for span in spans), key=_order)
    trace_id = max((text(span.get("traceId")) for span in ordered), key=len, default="")
    found: list[Span] = []
    for span in ordered:
        last = found[-1] if found else {}
        if last.get("id") == span.get("id") and _can_merge(last, span):
            found[-1] = _merge_pair(last, span)
        else:
            found.append(span)
    return _complete_halves(
        [_with_unique_annotations(span) | {"traceId": trace_id} for span in found]
    )


def _without_self_parent(span: Span) -> Span:
    return (
        {key: value for key, value in span.items() if key != "parentId"}
        if span.get("parentId") == span.get("id")
        else span
    )


def _order(span: Span) -> tuple[Any, ...]:
    endpoint = mapping(span.get("localEndpoint"))
    client_first = not _is_shared(span) and span.get("kind") != "CLIENT"
    return (
        text(span.get("id")),
        _is_shared(span),
        client_first,
        bool(endpoint),
        *(text(endpoint.get(key)) for key in _ENDPOINT[:3]),
    )


def _is_shared(span: Mapping[str, Any]) -> bool:
    return span.get("shared") is True


def _can_merge(one: Span, other: Span) -> bool:
    """Return whether half, local endpoint and start agree wherever both are known."""
    left, right = mapping(one.get("localEndpoint")), mapping(other.get("localEndpoint"))
    endpoints = [(left.get(key), right.get(key)) for key in _ENDPOINT]
    pairs = [*endpoints, (one.get("timestamp"), other.get("timestamp"))]
    return _is_shared(one) == _is_shared(other) and all(a == b for a, b in pairs if a and b)


def _merge_pair(one: Span, other: Span) -> Span:
    """Merge two partial reports; the first has precedence."""
    span = {**other, **{key: value for key, value in one.items() if value is not None}}
    for key in ("localEndpoint", "remoteEndpoint"):
        if both := mapping(other.get(key)) | mapping(one.get(key)):
            span[key] = both
    if tags := mapping(one.get("tags")) | mapping(other.get("tags")):
        span["tags"] = tags
    if annotations := _annotations(one, other):
        span["annotations"] = annotations
    return span | _times(one, other)


def _annotations(one: Span, other: Span) -> list[Any]:
    return [
        annotation for span in (one, other) for _, annotation in objects(span.get("annotations"))
    ]


def _with_unique_annotations(span: Span) -> Span:
    if "annotations" not in span:
        return span
    annotations = {
        json.dumps(annotation, sort_keys=True, default=str): annotation
        for _, annotation in objects(span["annotations"])
    }
    return span | {"annotations": list(annotations.values())}


def _times(one: Span, other: Span) -> dict[str, int]:
    """Return the known start and the longer duration."""
    longest = {
        key: max(nanoseconds(span.get(key)) // 1000 for span in (one, other))
        for key in ("timestamp", "duration")
    }
    return {key: value for key, value in longest.items() if value}


def _complete_halves(spans: list[Span]) -> list[Span]:
    """Copy missing `parentId` and `shared` between the halves of one id."""
    found: list[Span] = []
    for span in spans:
        last = found[-1] if found else {}
        if last.get("id") != span.get("id"):
            found.append(span)
            continue
        completed = dict(span)
        if last.get("kind") == "CLIENT" and span.get("kind") == "SERVER":
            completed["shared"] = True
        if not span.get("parentId") and last.get("parentId"):
            completed["parentId"] = last["parentId"]
        found.append(completed)
    return found
