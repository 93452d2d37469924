"""Recordings whose trace context is lost at chosen calls between services."""

from __future__ import annotations

import copy
import gzip
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import orjson

from agentguard.ingest.payloads import DocumentPayload, Payload
from tests.discovery.recordings import FOLDER

Body = dict[str, Any]
Span = dict[str, Any]
Change = Callable[[Span], None]


@dataclass(frozen=True)
class Call:
    """A call between services whose sides share a trace: ids of the spans of both sides."""

    caller: str
    callee: str
    trace: str
    caller_span: str
    callee_span: str

    @property
    def hop(self) -> tuple[str, str]:
        return self.caller, self.callee


@cache
def bodies_of(name: str) -> tuple[Body, ...]:
    with gzip.open(FOLDER / name / "traces.jsonl.gz") as file:
        return tuple(map(orjson.loads, file))


@cache
def calls_of(name: str) -> tuple[Call, ...]:
    """The calls of a recording at which a span's parent is in another service."""
    spans = list(_spans(bodies_of(name)))
    by_id = {(s["traceId"], s["spanId"]): (service, s) for service, s in spans}
    found = []
    for service, s in spans:
        above = by_id.get((s["traceId"], s.get("parentSpanId") or ""))
        if above is not None and above[0] != service:
            caller, parent = above
            found.append(Call(caller, service, s["traceId"], parent["spanId"], s["spanId"]))
    return tuple(found)


def _spans(bodies: Collection[Body]) -> Iterator[tuple[str, Span]]:
    for body in bodies:
        for resource in body["resourceSpans"]:
            attributes = resource["resource"].get("attributes", [])
            named = (a["value"] for a in attributes if a["key"] == "service.name")
            service = str(next(named, Span()).get("stringValue", ""))
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield service, span


def without_parent(span: Span) -> None:
    """The callee starts a trace."""
    span["parentSpanId"] = ""


def unchanged(_span: Span) -> None:
    """The callee keeps the caller's span as its parent."""


def cut(
    name: str,
    calls: Collection[Call],
    *,
    change: Change = without_parent,
    new_trace: bool = True,
    drop: Collection[str] = (),
) -> list[Payload]:
    """The recording in which these calls pass no context on.

    What is below a call gets a trace id of its own with `new_trace`. `drop`: ids of spans that were
    never received.
    """
    bodies = copy.deepcopy(list(bodies_of(name)))
    spans = [span for _, span in _spans(bodies)]
    moved = _new_traces(spans, calls) if new_trace else {}
    lost = {(call.trace, call.callee_span) for call in calls}
    for span in spans:
        for link in span.get("links", ()):
            link["traceId"] = moved.get((link["traceId"], link["spanId"]), link["traceId"])
        key = (span["traceId"], span["spanId"])
        if key in lost:
            change(span)
        span["traceId"] = moved.get(key, span["traceId"])
    for body in bodies:
        for resource in body["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                scope["spans"] = [s for s in scope["spans"] if s["spanId"] not in drop]
    return [DocumentPayload(f"{name}:{n}", body) for n, body in enumerate(bodies, 1)]


def _new_traces(spans: list[Span], calls: Collection[Call]) -> dict[tuple[str, str], str]:
    """The new trace id of each span below a call, by trace and span id."""
    below = defaultdict[tuple[str, str], list[Span]](list)
    for span in spans:
        below[span["traceId"], span.get("parentSpanId") or ""].append(span)
    lost = {(call.trace, call.callee_span) for call in calls}
    moved = {}
    for call in calls:
        waiting, new = [call.callee_span], _trace_id(call)
        while waiting:
            span_id = waiting.pop()
            moved[call.trace, span_id] = new
            inner = (s["spanId"] for s in below[call.trace, span_id])
            waiting += [s for s in inner if (call.trace, s) not in lost]
    return moved


def _trace_id(call: Call) -> str:
    return blake2b(f"{call.trace}{call.caller_span}".encode(), digest_size=16).hexdigest()
