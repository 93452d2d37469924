"""Decodes OTLP protobuf bodies into flat columns, without per-span Python.

The code is dense because it processes the buffers of a whole chunk of bodies at once. Valid but
rare encodings (a value before its key, keys of 128 bytes or more, split resources) take the slow
path through google.protobuf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from ptars import HandlerPool

from agentguard.ingest.attribute_selection import STATUS_MESSAGE, AttributeSelection
from agentguard.ingest.formats.otlp_exceptions import Events, mark_exceptions
from agentguard.ingest.formats.otlp_groups import resource_text
from agentguard.ingest.formats.otlp_keys import (
    CONTENT,
    LABEL,
    NUMBER,
    KeyTable,
    UnusualBytesError,
    buffer_of,
)
from agentguard.ingest.numbers import (
    COLUMNS,
    NOTHING,
    Numbers,
    by_column,
    keep_largest,
    numbers_in,
    numeric_attributes,
)
from agentguard.ingest.other_labels import other_label
from agentguard.ingest.recent_cache import RecentCache
from agentguard.ingest.sampling import SAMPLING_THRESHOLD, threshold
from agentguard.ingest.span_columns import (
    I64,
    U8,
    AttributeInterner,
    Coded,
    SpanColumns,
    with_attributes,
)
from agentguard.ingest.values import kept, plain

U64 = NDArray[np.uint64]
_F = descriptor_pb2.FieldDescriptorProto
_LARGEST = np.uint64(2**63 - 1)
_CACHE_BYTES = 16 << 20
"""Size of each of the four caches of a reader."""


def _descriptor() -> Any:
    """Return OTLP's trace request with the same field numbers, reduced to the needed fields.

    Attributes stay undecoded bytes.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="agentguard/reduced_otlp.proto", package="agentguard.reduced", syntax="proto3"
    )
    shape: dict[str, list[tuple[str, int, int, str | None]]] = {
        "Request": [("resource_spans", 1, _F.TYPE_MESSAGE, "ResourceSpans")],
        "ResourceSpans": [
            ("resource", 1, _F.TYPE_BYTES, "*"),
            ("scope_spans", 2, _F.TYPE_MESSAGE, "ScopeSpans"),
        ],
        "ScopeSpans": [("scope", 1, _F.TYPE_BYTES, "*"), ("spans", 2, _F.TYPE_MESSAGE, "Span")],
        "Span": [
            ("trace_id", 1, _F.TYPE_BYTES, None),
            ("span_id", 2, _F.TYPE_BYTES, None),
            ("trace_state", 3, _F.TYPE_BYTES, None),
            ("parent_id", 4, _F.TYPE_BYTES, None),
            ("name", 5, _F.TYPE_BYTES, None),
            ("kind", 6, _F.TYPE_INT32, None),
            ("start", 7, _F.TYPE_FIXED64, None),
            ("end", 8, _F.TYPE_FIXED64, None),
            ("attributes", 9, _F.TYPE_BYTES, "*"),
            ("events", 11, _F.TYPE_BYTES, "*"),
            ("links", 13, _F.TYPE_BYTES, "*"),
            ("status", 15, _F.TYPE_BYTES, None),
        ],
    }
    for message, fields in shape.items():
        described = file.message_type.add(name=message)
        for name, number, kind, of in fields:
            added = described.field.add(name=name, number=number, type=kind)
            added.label = _F.LABEL_REPEATED if of else _F.LABEL_OPTIONAL
            if of and of != "*":
                added.type_name = f".agentguard.reduced.{of}"
    return descriptor_pool.DescriptorPool().AddSerializedFile(file.SerializeToString())


_FILE = _descriptor()
_READER = HandlerPool([_FILE]).get_for_message(_FILE.message_types_by_name["Request"])


class Chunk(NamedTuple):
    """Several decoded bodies."""

    flat: SpanColumns
    body_of_span: I64
    """Row of the body that contains each span."""
    has_ids: NDArray[np.bool_]
    """Whether trace id (16 bytes) and span id (8 bytes) are complete and not all zeros."""


class ProtobufReader:
    """Decodes chunks of bodies, with caches of resources, scopes and attribute values."""

    def __init__(self, wanted: AttributeSelection, labels: AttributeInterner) -> None:
        self._wanted, self._labels = wanted, labels
        self._keys = KeyTable(wanted)
        self._numeric_keys = numeric_attributes(wanted)
        self._event_keys = {name: _event_keys(wanted, name) for name in _event_names(wanted)}
        self._code = RecentCache(self._parse_code, _CACHE_BYTES)
        self._resource = RecentCache(self._parse_resource, _CACHE_BYTES)
        self._scope = RecentCache(_parse_scope, _CACHE_BYTES)
        self._number = RecentCache(self._parse_number, _CACHE_BYTES)

    def forget_codes(self) -> None:
        """Forget the codes of attributes, because the interner gave out new ones."""
        self._code.clear()

    def read(self, bodies: Sequence[bytes]) -> Chunk:
        """Decode ExportTraceServiceRequest bodies.

        Raises UnusualBytesError, or ValueError if a body is not protobuf.
        """
        batch = _READER.list_to_record_batch(list(bodies))
        groups = batch.column(0)
        group = groups.flatten()
        scoped_list = group.field("scope_spans")
        scoped = scoped_list.flatten()
        span_list = scoped.field("spans")
        spans = span_list.flatten()
        group_of_scope = _owners(scoped_list)
        scope_of_span = _owners(span_list)
        group_of_span = group_of_scope[scope_of_span]
        columns, has_ids = self._columns(spans, group, scoped, group_of_span, scope_of_span)
        return Chunk(columns, _owners(groups)[group_of_span], has_ids)

    def _columns(
        self,
        spans: pa.StructArray,
        group: pa.StructArray,
        scoped: pa.StructArray,
        group_of_span: I64,
        scope_of_span: I64,
    ) -> tuple[SpanColumns, NDArray[np.bool_]]:
        trace, trace_ok = _ids(spans.field("trace_id"), 16)
        own, own_ok = _ids(spans.field("span_id"), 8)
        parent, _ = _ids(spans.field("parent_id"), 8)
        resources = _coded(
            [self._resource(raw) for raw in _single_items(group.field("resource"))], group_of_span
        )
        scopes = _coded(
            [self._scope(raw) for raw in _single_items(scoped.field("scope"))], scope_of_span
        )
        rows, codes, numbers, content = self._attributes(
            spans.field("attributes"), self._is_open(scopes)
        )
        failed = _statuses(spans.field("status"), content)
        rows, codes = with_attributes(rows, codes, *self._thresholds(spans.field("trace_state")))
        flat = SpanColumns(
            trace=trace,
            span=own,
            parent=parent,
            name=_names(spans.field("name")),
            resource=resources,
            scope=scopes,
            kind=_clipped(spans.field("kind")),
            failed=failed,
            start=_times(spans.field("start")),
            end=_times(spans.field("end")),
            attribute_row=rows,
            attribute_code=codes,
            **by_column(numbers),
            content=content,
            events=self._take_events(spans),
            links=_links(spans.field("links")),
        )
        return flat, trace_ok & own_ok

    def _attributes(
        self, lists: pa.ListArray, is_open: NDArray[np.bool_]
    ) -> tuple[I64, NDArray[np.int32], NDArray[np.float64], dict[int, dict[str, Any]]]:
        """Return rows and codes of stored attributes, (COLUMNS, spans) numbers, and content."""
        raw, owner = lists.flatten(), _owners(lists)
        picked, use = self._keys.find(raw, is_open[owner])
        numeric = picked[use == NUMBER]
        numbers = self._numeric(raw.take(pa.array(numeric)), owner[numeric], len(is_open))
        text = picked[use == CONTENT]
        content = _content(owner[text].tolist(), raw.take(pa.array(text)).to_pylist())
        labels = picked[use == LABEL]
        values, indices = _dictionary_encoded(raw.take(pa.array(labels)))
        codes = np.fromiter((self._code(value) for value in values), np.int32, len(values))[indices]
        return owner[labels][codes >= 0], codes[codes >= 0], numbers, content

    def _thresholds(self, states: pa.BinaryArray) -> tuple[I64, NDArray[np.int32]]:
        """Return rows and codes of the sampling thresholds in tracestate."""
        values, indices = _dictionary_encoded(states)
        found = [threshold(value.decode("utf-8", "replace")) for value in values]
        codes = np.array(
            [-1 if th is None else self._labels.code(SAMPLING_THRESHOLD, th) for th in found],
            np.int32,
        )[indices]
        rows = np.flatnonzero(codes >= 0)
        return rows, codes[rows]

    def _numeric(self, raw: pa.Array, rows: I64, spans: int) -> NDArray[np.float64]:
        """Return a (COLUMNS, spans) array of numbers; see Numbers.

        Of several numbers of a span, the largest counts.
        """
        into = np.full((COLUMNS, spans), np.nan)
        values, indices = _dictionary_encoded(raw)
        found = np.array([self._number(value) for value in values]).reshape(-1, COLUMNS)[indices]
        for column in range(COLUMNS):
            given = ~np.isnan(found[:, column])
            keep_largest(into[column], rows[given], found[given, column])
        return into

    def _parse_number(self, raw: bytes) -> Numbers:
        pair = KeyValue.FromString(raw)
        where = self._numeric_keys.get(pair.key)
        if where is None and self._wanted.others is not None:
            where = self._wanted.others.numbers(pair.key)
        return numbers_in(plain(pair.value), where) if where else NOTHING

    def _parse_code(self, raw: bytes) -> int:
        """Return the code of a KeyValue, or -1 if it is not stored."""
        pair = KeyValue.FromString(raw)
        if pair.key not in self._wanted.labels and pair.key not in self._wanted.reductions:
            return self._other_code(pair)
        keep = kept(plain(pair.value), self._wanted.reductions.get(pair.key))
        return -1 if keep is None else self._labels.code(pair.key, keep)

    def _other_code(self, pair: KeyValue) -> int:
        others = self._wanted.others
        label = None if others is None else other_label(others, pair.key, plain(pair.value))
        return -1 if label is None else self._labels.code(*label)

    def _is_open(self, scopes: Coded) -> NDArray[np.bool_]:
        """Return of which spans attributes are kept by their form."""
        others = self._wanted.others
        is_open = [others is not None and others.is_open(scope) for scope in scopes.values]
        return np.array(is_open, np.bool_)[scopes.codes]

    def _parse_resource(self, raw: bytes) -> str:
        attributes = {pair.key: plain(pair.value) for pair in Resource.FromString(raw).attributes}
        return resource_text(attributes, self._wanted)

    def _take_events(self, spans: pa.StructArray) -> dict[int, Events]:
        lists, events = spans.field("events"), dict[int, Events]()
        for row, raw in zip(_owners(lists).tolist(), lists.flatten().to_pylist(), strict=True):
            event = Span.Event.FromString(raw)
            keys = self._event_keys.get(event.name)
            if keys is not None:
                found = {
                    pair.key: plain(pair.value) for pair in event.attributes if pair.key in keys
                }
                events.setdefault(row, []).append(
                    (event.name, {k: kept(v) if keys[k] else v for k, v in found.items()})
                )
        return mark_exceptions(events, spans)


def _content(rows: list[int], values: list[bytes]) -> dict[int, dict[str, Any]]:
    """Return the raw attributes by row and key."""
    content: dict[int, dict[str, Any]] = {}
    for row, value in zip(rows, values, strict=True):
        content.setdefault(row, {})[value[2 : 2 + value[1]].decode("utf-8", "replace")] = value
    return content


def _parse_scope(raw: bytes) -> str:
    return str(kept(InstrumentationScope.FromString(raw).name))


def _event_names(wanted: AttributeSelection) -> set[str]:
    sources = (
        fact.source.removeprefix("event:").partition("/")[0]
        for fact in wanted.facts
        if fact.source.startswith("event:")
    )
    return {*wanted.events, *sources}


def _event_keys(wanted: AttributeSelection, name: str) -> Mapping[str, bool]:
    """Return the event attributes to read.

    The value says whether the attribute is stored; otherwise facts are extracted from it.
    """
    sources = (
        fact.source.removeprefix("event:").partition("/")
        for fact in wanted.facts
        if fact.source.startswith("event:")
    )
    return {key: False for event, _, key in sources if event == name} | dict.fromkeys(
        wanted.events.get(name, ()), True
    )


def _owners(lists: pa.ListArray) -> I64:
    """Return, for each flattened item, the row of its list."""
    return np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))


def _dictionary_encoded(raw: pa.Array) -> tuple[list[bytes], I64]:
    encoded = raw.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(
        np.int64
    )


def _ids(array: pa.BinaryArray, size: int) -> tuple[U8, NDArray[np.bool_]]:
    """Return (n, size) bytes, zeros for ids of another length, and which are not all zeros."""
    data, offsets = buffer_of(array)
    whole = np.diff(offsets) == size
    ids: U8 = np.zeros((len(array), size), np.uint8)
    if whole.all():
        ids = data[offsets[0] : offsets[-1]].reshape(-1, size)
    else:
        ids[whole] = data[offsets[:-1][whole, None] + np.arange(size)]
    present: NDArray[np.bool_] = np.any(ids, axis=1)
    return ids, present


def _single_items(lists: pa.ListArray) -> list[bytes]:
    """Return the only item of each list, or empty bytes.

    Raises UnusualBytesError for several items (valid protobuf: they would merge).
    """
    counts = np.diff(lists.offsets.to_numpy())
    if (counts > 1).any():
        raise UnusualBytesError
    items = iter(lists.flatten().to_pylist())
    return [next(items) if count else b"" for count in counts.tolist()]


def _coded(values: list[str], rows: I64) -> Coded:
    """Dictionary-encode the values and return the code of each row."""
    codes: dict[str, int] = {}
    each = np.fromiter(
        (codes.setdefault(value, len(codes)) for value in values), np.int32, len(values)
    )
    return Coded(each[rows], list(codes))


def _names(array: pa.BinaryArray) -> Coded:
    raw, indices = _dictionary_encoded(array)
    return _coded([str(kept(name.decode("utf-8", "replace"))) for name in raw], indices)


def _clipped(kinds: pa.Array) -> NDArray[np.int8]:
    values = kinds.to_numpy()
    return np.where((values >= 0) & (values <= 5), values, 0).astype(np.int8)


def _times(array: pa.Array) -> I64:
    values = array.to_numpy()
    return np.where(values <= _LARGEST, values, 0).astype(np.int64)


def _statuses(array: pa.BinaryArray, content: dict[int, dict[str, Any]]) -> NDArray[np.bool_]:
    """Return which spans failed; add the messages of their statuses to the content."""
    raw, indices = _dictionary_encoded(array)
    statuses = [Status.FromString(status) for status in raw]
    codes = np.array([status.code for status in statuses], np.int64)
    failed: NDArray[np.bool_] = (codes == Status.STATUS_CODE_ERROR)[indices]
    for row in np.flatnonzero(failed).tolist():
        if message := statuses[indices[row]].message:
            content.setdefault(row, {})[STATUS_MESSAGE] = message
    return failed


def _links(lists: pa.ListArray) -> dict[int, list[bytes]]:
    links: dict[int, list[bytes]] = {}
    for row, raw in zip(_owners(lists).tolist(), lists.flatten().to_pylist(), strict=True):
        link = Span.Link.FromString(raw)
        if (
            len(link.trace_id) == 16
            and len(link.span_id) == 8
            and any(link.trace_id)
            and any(link.span_id)
        ):
            links.setdefault(row, []).append(link.trace_id + link.span_id)
    return links
