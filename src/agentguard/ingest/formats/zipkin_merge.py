"""Zipkin v2 spans as they arrive made into spans as they were.

Pieces put together, halves told apart.

Follows zipkin2.internal.Trace and zipkin2.Span.Builder (openzipkin/zipkin 878ce2a), but for one
thing: spans of one id that start at different times are no pieces of one, they are what happened
several times (a message received again).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from agentguard.ingest.formats.otlp_documents import mapping, nanoseconds, objects, text

Span: TypeAlias = dict[str, Any]

_LONG, _SHORT = 32, 16  # hex digits of a trace id, whole and cut to 64 bits
_PLACE = ("serviceName", "ipv4", "ipv6", "port")


def traces(spans: Iterable[Span]) -> list[list[Span]]:
    """Return the spans by trace, in order of first sight.

    An id cut to 64 bits belongs to the one that ends so.
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
    """Return one trace's spans by id, each once, the client half of a shared id before its server
    halves.

    Pieces of one half become one span. All bear the longest trace id; a half without a parent takes
    the other's, a server half without its flag gets it, and a span that names itself as parent
    becomes a root.
    """
    ordered = sorted((_rooted(span) for span in spans), key=_order)
    trace_id = max((text(span.get("traceId")) for span in ordered), key=len, default="")
    found: list[Span] = []
    for span in ordered:
        last = found[-1] if found else {}
        if last.get("id") == span.get("id") and _are_pieces(last, span):
            found[-1] = _joined(last, span)
        else:
            found.append(span)
    return _halves([_each_note_once(span) | {"traceId": trace_id} for span in found])


def _rooted(span: Span) -> Span:
    return (
        {key: value for key, value in span.items() if key != "parentId"}
        if span.get("parentId") == span.get("id")
        else span
    )


def _order(span: Span) -> tuple[Any, ...]:
    place = mapping(span.get("localEndpoint"))
    client_first = not _is_shared(span) and span.get("kind") != "CLIENT"
    return (
        text(span.get("id")),
        _is_shared(span),
        client_first,
        bool(place),
        *(text(place.get(key)) for key in _PLACE[:3]),
    )


def _is_shared(span: Mapping[str, Any]) -> bool:
    return span.get("shared") is True


def _are_pieces(one: Span, other: Span) -> bool:
    """Whether nothing that both say of their half, their local endpoint and their start differs."""
    left, right = mapping(one.get("localEndpoint")), mapping(other.get("localEndpoint"))
    places = [(left.get(key), right.get(key)) for key in _PLACE]
    said = [*places, (one.get("timestamp"), other.get("timestamp"))]
    return _is_shared(one) == _is_shared(other) and all(a == b for a, b in said if a and b)


def _joined(one: Span, other: Span) -> Span:
    """Return two pieces as one span; where both say something, the first stands."""
    span = {**other, **{key: value for key, value in one.items() if value is not None}}
    for key in ("localEndpoint", "remoteEndpoint"):
        if both := mapping(other.get(key)) | mapping(one.get(key)):
            span[key] = both
    if tags := mapping(one.get("tags")) | mapping(other.get("tags")):
        span["tags"] = tags
    if notes := _notes(one, other):
        span["annotations"] = notes
    return span | _times(one, other)


def _notes(one: Span, other: Span) -> list[Any]:
    return [note for span in (one, other) for _, note in objects(span.get("annotations"))]


def _each_note_once(span: Span) -> Span:
    if "annotations" not in span:
        return span
    notes = {
        json.dumps(note, sort_keys=True, default=str): note
        for _, note in objects(span["annotations"])
    }
    return span | {"annotations": list(notes.values())}


def _times(one: Span, other: Span) -> dict[str, int]:
    """Return the start that one of them knows, and the longer duration."""
    longest = {
        key: max(nanoseconds(span.get(key)) // 1000 for span in (one, other))
        for key in ("timestamp", "duration")
    }
    return {key: value for key, value in longest.items() if value}


def _halves(spans: list[Span]) -> list[Span]:
    """Let the halves of one id tell each other what one of them lacks."""
    found: list[Span] = []
    for span in spans:
        last = found[-1] if found else {}
        if last.get("id") != span.get("id"):
            found.append(span)
            continue
        told = dict(span)
        if last.get("kind") == "CLIENT" and span.get("kind") == "SERVER":
            told["shared"] = True
        if not span.get("parentId") and last.get("parentId"):
            told["parentId"] = last["parentId"]
        found.append(told)
    return found
