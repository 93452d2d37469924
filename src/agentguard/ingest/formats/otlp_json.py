"""Reads OTLP/JSON documents (as from json.loads) into flat columns; accepts Tempo's old names."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agentguard.ingest.attribute_selection import STATUS_MESSAGE, AttributeSelection
from agentguard.ingest.formats.kinds import MalformedError
from agentguard.ingest.formats.otlp_exceptions import Events, mark_exception
from agentguard.ingest.formats.otlp_groups import Span, spans
from agentguard.ingest.formats.otlp_values import (
    MAX_INT64,
    any_value,
    as_number,
    as_text,
    attributes_of,
    key_of,
    key_values,
    members,
    objects,
)
from agentguard.ingest.numbers import (
    COLUMNS,
    NOTHING,
    Numbers,
    by_column,
    larger,
    numbers_in,
    numeric_attributes,
)
from agentguard.ingest.other_attributes import Usage
from agentguard.ingest.other_labels import other_label
from agentguard.ingest.payloads import DocumentPayload
from agentguard.ingest.rejections import NEGATIVE, NEGATIVE_MESSAGE, WITHOUT_IDS, Rejections
from agentguard.ingest.sampling import SAMPLING_THRESHOLD, threshold
from agentguard.ingest.span_columns import AttributeInterner, Coded, SpanColumns
from agentguard.ingest.spans import id_bytes
from agentguard.ingest.values import kept

_KINDS = {
    name: n
    for n, name in enumerate(
        ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
    )
}
_WRONG_ID = "A span needs a trace id of 32 and a span id of 16 hex digits, neither all zeros."
_BASE64 = {16: 24, 8: 12}
"""Base64 characters of an id, by its size in bytes."""
_MOST_USES = 10_000
_NO_USE = ""
"""Of a key that is known not to be kept."""
_CONTENT, _LABEL = "content", "label"
"""Uses of attributes; for numbers, where they are."""


@dataclass(slots=True)
class _Texts:
    """Interns strings in order of first occurrence."""

    codes: dict[str, int] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.rows.append(self.codes.setdefault(text, len(self.codes)))

    def coded(self) -> Coded:
        return Coded(np.array(self.rows, np.int32), list(self.codes))


class DocumentReader:
    """Reads documents span by span into lists; `flat` returns the columns of all of them."""

    def __init__(self, wanted: AttributeSelection, labels: AttributeInterner) -> None:
        self._wanted, self._labels = wanted, labels
        self._uses = _uses(wanted)
        self._event_sources = {
            s.removeprefix("event:")
            for s in (f.source for f in wanted.facts)
            if s.startswith("event:")
        }
        self._values: dict[tuple[str, Any], int] = {}
        self._kept_names: dict[str, str] = {}
        self.rejections = Rejections()
        self._ids: list[tuple[bytes, bytes, bytes]] = []
        self._names, self._resources, self._scopes = _Texts(), _Texts(), _Texts()
        self._kinds: list[int] = []
        self._failed: list[bool] = []
        self._times: list[tuple[int, int]] = []
        self._rows: list[int] = []
        self._codes: list[int] = []
        self._numbers: list[Numbers] = []
        self._contents: dict[int, dict[str, Any]] = {}
        self._events: dict[int, Events] = {}
        self._links: dict[int, list[bytes]] = {}
        self._trace_labels: dict[int, str] = {}
        self._span_labels: dict[int, str] = {}

    def read(self, payload: DocumentPayload) -> int:
        """Add the document's spans and return their number; errors of spans become refusals."""
        count = 0
        for index, found in enumerate(spans(payload.document, self._wanted)):
            count += 1
            if isinstance(found, MalformedError):
                self.rejections.add(payload.origin, index, found.reason, str(found))
            else:
                self._read_span(payload, index, found)
        return count

    def _read_span(self, payload: DocumentPayload, index: int, found: Span) -> None:
        try:
            self._span(*found, own_ids=payload.own_ids)
        except MalformedError as error:
            self.rejections.add(payload.origin, index, error.reason, str(error))
        else:
            start, end = self._times[-1]
            if 0 < end < start:
                self.rejections.add(payload.origin, index, NEGATIVE, NEGATIVE_MESSAGE, lost=False)

    def flat(self) -> SpanColumns:
        """Return the columns of all spans read so far."""
        ids, count = self._ids, len(self._kinds)
        numbers = np.array(self._numbers, np.float64).reshape(count, COLUMNS)
        times = np.array(self._times, np.int64).reshape(count, 2)
        return SpanColumns(
            trace=np.frombuffer(b"".join(i[0] for i in ids), np.uint8).reshape(count, 16),
            span=np.frombuffer(b"".join(i[1] for i in ids), np.uint8).reshape(count, 8),
            parent=np.frombuffer(b"".join(i[2] for i in ids), np.uint8).reshape(count, 8),
            name=self._names.coded(),
            resource=self._resources.coded(),
            scope=self._scopes.coded(),
            kind=np.array(self._kinds, np.int8),
            failed=np.array(self._failed, np.bool_),
            start=times[:, 0].copy(),
            end=times[:, 1].copy(),
            attribute_row=np.array(self._rows, np.int64),
            attribute_code=np.array(self._codes, np.int32),
            **by_column(numbers.T),
            content=self._contents,
            events=self._events,
            links=self._links,
            trace_labels=self._trace_labels,
            span_labels=self._span_labels,
        )

    def _span(self, resource: str, scope: str, span: Any, *, own_ids: bool) -> None:
        """Add a span; nothing of it is added if MalformedError is raised."""
        if not isinstance(span, dict):
            raise MalformedError("A span must be an object.")
        ids, labels = _ids(span, own_ids=own_ids)
        name, kind, times = _head(span)
        failed, events = _failed(span.get("status")), self._events_of(span, times)
        links = [found for link in objects(span.get("links"), "links") if (found := _link(link))]
        codes, content, numbers = self._attributes(span, scope)
        codes += self._threshold(as_text(span.get("traceState")))
        row = len(self._kinds)
        self._ids.append(ids)
        self._names.add(self._name(name))
        self._resources.add(resource)
        self._scopes.add(scope)
        self._kinds.append(kind)
        self._failed.append(failed)
        self._times.append(times)
        self._numbers.append(numbers)
        self._rows += [row] * len(codes)
        self._codes += codes
        self._add_rare(row, content, events, links)
        self._add_labels(row, *labels)

    def _add_rare(
        self,
        row: int,
        content: dict[str, Any],
        events: Events,
        links: list[bytes],
    ) -> None:
        if content:
            self._contents[row] = content
        if events:
            self._events[row] = events
        if links:
            self._links[row] = links

    def _add_labels(self, row: int, trace: str | None, span: str | None) -> None:
        if trace is not None:
            self._trace_labels[row] = trace
        if span is not None:
            self._span_labels[row] = span

    def _attributes(
        self, span: Mapping[str, Any], scope: str
    ) -> tuple[list[int], dict[str, Any], Numbers]:
        """Return the codes of stored attributes, the content and the numbers."""
        is_open = self._is_open(scope)
        codes: list[int] = []
        content = _status_message(span)
        numbers = NOTHING
        for item in key_values(span.get("attributes")):
            key = key_of(item)
            use = self._uses.get(key)
            if not use:
                if use is None and is_open:
                    numbers = larger(numbers, self._other(codes, key, item.get("value")))
                continue
            value = any_value(item.get("value"))
            if use == _LABEL:
                code = self._code(key, value)
                if code >= 0:
                    codes.append(code)
            elif use == _CONTENT:
                content[key] = value
            elif not isinstance(use, str):
                numbers = larger(numbers, numbers_in(value, use))
        return codes, content, numbers

    def _is_open(self, scope: str) -> bool:
        return self._wanted.others is not None and self._wanted.others.is_open(scope)

    def _other(self, codes: list[int], key: str, written: Any) -> Numbers:
        """Add the code of an attribute that is kept by its form, or return its numbers."""
        others = self._wanted.others
        if others is None or others.use_of(key) is None:
            if len(self._uses) < _MOST_USES:
                self._uses[key] = _NO_USE
            return NOTHING
        value = any_value(written)
        if (where := others.numbers(key)) is not None:
            return numbers_in(value, where)
        if (label := other_label(others, key, value)) is not None:
            codes.append(self._labels.code(*label))
        return NOTHING

    def _threshold(self, trace_state: str) -> list[int]:
        found = threshold(trace_state) if trace_state else None
        return [] if found is None else [self._labels.code(SAMPLING_THRESHOLD, found)]

    def _name(self, name: str) -> str:
        known = self._kept_names.get(name)
        if known is None:
            known = self._kept_names[name] = str(kept(name))
        return known

    def _code(self, key: str, value: Any) -> int:
        known = (key, value if isinstance(value, str) else repr(value))
        code = self._values.get(known)
        if code is None:
            keep = kept(value, self._wanted.reductions.get(key))
            code = self._values[known] = -1 if keep is None else self._labels.code(key, keep)
        return code

    def _events_of(self, span: Mapping[str, Any], times: tuple[int, int]) -> Events:
        return mark_exception(self._wanted_events(span.get("events")), span, times[1])

    def _wanted_events(self, written: Any) -> Events:
        return [
            (name, self._event(name, attributes_of(event.get("attributes"))))
            for event in objects(written, "events")
            if self._is_wanted(name := as_text(event.get("name")))
        ]

    def _is_wanted(self, name: str) -> bool:
        return name in self._wanted.events or any(
            source.startswith(f"{name}/") for source in self._event_sources
        )

    def _event(self, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
        keep = {
            key: kept(attributes[key])
            for key in self._wanted.events.get(name, frozenset()) & attributes.keys()
        }
        sources = {s.partition("/")[2] for s in self._event_sources if s.startswith(f"{name}/")}
        return keep | {key: attributes[key] for key in sources & attributes.keys()}


def _uses(wanted: AttributeSelection) -> dict[str, str | Usage]:
    """Return the use of each selected attribute."""
    uses: dict[str, str | Usage] = dict.fromkeys(wanted.labels | wanted.reductions.keys(), _LABEL)
    uses |= dict.fromkeys(wanted.content, _CONTENT)
    return uses | dict(numeric_attributes(wanted))


def _ids(
    span: Mapping[str, Any], *, own_ids: bool
) -> tuple[tuple[bytes, bytes, bytes], tuple[str | None, str | None]]:
    trace, trace_label = _id(span.get("traceId"), 16)
    own, own_label = _id(span.get("spanId"), 8)
    if not any(trace):
        raise MalformedError(
            "The span has no trace id, or one of only zeros; every span needs one.", WITHOUT_IDS
        )
    if not any(own):
        raise MalformedError(
            "The span has no span id, or one of only zeros; every span needs one.", WITHOUT_IDS
        )
    if not own_ids and (trace_label, own_label) != (None, None):
        raise MalformedError(_WRONG_ID, WITHOUT_IDS)
    parent, _ = _id(span.get("parentSpanId"), 8)
    return (trace, own, parent), (trace_label, own_label)


def _id(value: Any, size: int) -> tuple[bytes, str | None]:
    """Return the id's bytes and, unless they represent it, its text.

    Accepts hex as in OTLP, and base64 as in protobuf's JSON mapping.
    """
    text = as_text(value)
    if len(text) == 2 * size:
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            return id_bytes(text, size)
        return (raw, None) if len(raw) == size else id_bytes(text, size)
    if len(text) == _BASE64[size] and text.endswith("="):
        try:
            raw = base64.b64decode(text, validate=True)
        except binascii.Error:
            return id_bytes(text, size)
        if len(raw) == size:
            return raw, None
    return id_bytes(text, size)


def _link(link: Mapping[str, Any]) -> bytes:
    trace, own = _id(link.get("traceId"), 16)[0], _id(link.get("spanId"), 8)[0]
    return trace + own if any(trace) and any(own) else b""


def _kind(value: Any) -> int:
    if isinstance(value, str) and not value.isdigit():
        return _KINDS.get(value.upper().removeprefix("SPAN_KIND_"), 0)
    number = as_number(value)
    return number if 0 <= number < len(_KINDS) else 0


def _failed(status: Any) -> bool:
    code = members(status, "status").get("code")
    if isinstance(code, list | dict):
        raise MalformedError("The code of a status must be a number or a name.")
    return code in (2, "2") or (
        isinstance(code, str) and code.upper().removeprefix("STATUS_CODE_") == "ERROR"
    )


def _status_message(span: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message of a failed span's status as content."""
    message = members(span.get("status"), "status").get("message")
    return {STATUS_MESSAGE: message} if message and _failed(span["status"]) else {}


def _times(span: Mapping[str, Any]) -> tuple[int, int]:
    return _time(span.get("startTimeUnixNano")), _time(span.get("endTimeUnixNano"))


def _head(span: Mapping[str, Any]) -> tuple[str, int, tuple[int, int]]:
    """Return name, kind and times."""
    return as_text(span.get("name")), _kind(span.get("kind")), _times(span)


def _time(value: Any) -> int:
    """Return a time in ns, or 0 (unknown) if invalid or outside signed 64-bit integers."""
    try:
        time = int(value)
    except TypeError:
        return as_number(value)
    except (ValueError, OverflowError):
        return 0
    return time if 0 < time <= MAX_INT64 else 0
