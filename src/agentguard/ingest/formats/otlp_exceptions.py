"""Exceptions that ended their span, although its status is not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from agentguard.ingest.attribute_selection import ENDED_BY_EXCEPTION

Events = list[tuple[str, dict[str, Any]]]
_AT_END = 5_000_000
"""Nanoseconds between an exception that ends a span, and the end."""
_UNSET = (None, 0, "0", "", "STATUS_CODE_UNSET", "UNSET", "Unset")


def mark_exceptions(read: dict[int, Events], spans: pa.StructArray) -> dict[int, Events]:
    """Mark the exceptions that ended their span; `spans` have encoded events and statuses."""
    events, ends, statuses = (spans.field(name) for name in ("events", "end", "status"))
    for row, found in read.items():
        if any(name == "exception" for name, _ in found):
            last = Span.Event.FromString(events[row].as_py()[-1])
            unset = Status.FromString(statuses[row].as_py() or b"").code == 0
            end = ends[row].as_py() or 0
            _mark(found, last.name, last.time_unix_nano, end if unset else 0)
    return read


def mark_exception(read: Events, span: Mapping[str, Any], end: int) -> Events:
    """Mark the exception that ended this span, if there is one."""
    if any(name == "exception" for name, _ in read):
        last = span["events"][-1]
        status = span.get("status") or {}
        _mark(read, last.get("name"), _time(last), end if status.get("code") in _UNSET else 0)
    return read


def _time(event: Mapping[str, Any]) -> int:
    try:
        return int(event.get("timeUnixNano") or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _mark(read: Events, name: str, time: int, end: int) -> None:
    if name == "exception" and 0 <= end - time <= _AT_END:
        read[-1][1][ENDED_BY_EXCEPTION] = True
