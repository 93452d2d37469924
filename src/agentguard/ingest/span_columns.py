"""Decoded spans as flat columns, and their conversion to a span table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize
from agentguard.ingest.attribute_selection import ID_COLUMNS, AttributeSelection, Fact
from agentguard.ingest.facts import extract_fact
from agentguard.ingest.spans import KIND_CONSUMER, KIND_SERVER, SPAN_SCHEMA, id_digest

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
U8 = NDArray[np.uint8]

_PAIR_BYTES = 400
"""Memory of a pair besides its texts."""


class AttributeInterner:
    """Interns (attribute, value) pairs as codes, with a 64-bit digest each.

    The digest of a set of pairs is the sum of their digests.
    """

    def __init__(
        self, caller_only: frozenset[str], most_bytes: int, ids: Iterable[str] = ()
    ) -> None:
        self._caller_only, self._most_bytes = caller_only, most_bytes
        self._id_keys = {key: number for number, key in enumerate(ids, 1)}
        self._batch = 0
        self._clear()

    def code(self, key: str, value: Any) -> int:
        """Return the pair's code, adding it if it is new.

        `value` is a JSON scalar or a list of JSON scalars.
        """
        text = repr(value)
        code = self._codes.get((key, text))
        return self._add(key, value, text) if code is None else code

    def digests(self, codes: NDArray[np.int32]) -> U64:
        """Return the digests of the codes."""
        self._used[codes] = self._batch
        return self._digests[codes]

    def next_batch(self) -> bool:
        """Begin a batch; return whether all codes became invalid.

        That is the case once the pairs take more than `most_bytes`: those used last, in half of
        that size, get new codes, and the others are forgotten.
        """
        self._batch += 1
        if self._bytes <= self._most_bytes:
            return False
        items, used = self.items, self._used[: len(self.items)]
        recent = np.argsort(-used, kind="stable").tolist()
        self._clear()
        for place in recent:
            if self._bytes > self._most_bytes // 2:
                break
            code = self.code(*items[place])
            self._used[code] = used[place]
        return True

    def _clear(self) -> None:
        self.items: list[tuple[str, Any]] = []
        self.caller_only: list[int] = []
        """Codes of caller-only attributes."""
        self.id_keys = np.zeros(1024, np.int8)
        """By code: the number of the attribute if it is an id, from 1."""
        self.ids = np.zeros(1024, np.int64)
        """By code: the id's digest."""
        self._codes: dict[tuple[str, str], int] = {}
        self._digests = np.zeros(1024, np.uint64)
        self._used = np.zeros(1024, np.int64)
        """The last batch that used each code."""
        self._bytes = 0

    def _add(self, key: str, value: Any, text: str) -> int:
        code = self._codes[key, text] = len(self.items)
        self.items.append((key, value))
        self._bytes += len(key) + 2 * len(text) + _PAIR_BYTES
        if key in self._caller_only:
            self.caller_only.append(code)
        if code >= len(self._digests):
            self._grow()
        self._digests[code] = id_digest(f"{key}\0{text}")
        if key in self._id_keys:
            self.id_keys[code] = self._id_keys[key]
            self.ids[code] = np.uint64(id_digest(str(value))).view(np.int64)
        return code

    def _grow(self) -> None:
        self.id_keys = np.concatenate([self.id_keys, np.zeros_like(self.id_keys)])
        self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)])
        self._digests = np.concatenate([self._digests, np.zeros_like(self._digests)])
        self._used = np.concatenate([self._used, np.zeros_like(self._used)])


@dataclass(slots=True)
class Coded:
    """A dictionary-encoded column: a code per span, and the values."""

    codes: NDArray[np.int32]
    values: list[str]


@dataclass(slots=True)
class SpanColumns:
    """n spans with m stored attributes as (span row, code) pairs, before facts are extracted.

    Rows of attributes, contents, events and links refer to spans; attribute rows are ascending.
    """

    trace: U8
    """(n, 16)"""
    span: U8
    """(n, 8)"""
    parent: U8
    """(n, 8); zeros: none"""
    name: Coded
    resource: Coded
    scope: Coded
    kind: NDArray[np.int8]
    failed: NDArray[np.bool_]
    start: I64
    end: I64
    attribute_row: I64
    attribute_code: NDArray[np.int32]
    input_tokens: I64
    output_tokens: I64
    cached_input_tokens: I64
    cost: NDArray[np.float64]
    """NaN: unknown."""
    content: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Span row → attribute → text; only attributes that facts are extracted from."""
    events: dict[int, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    """Span row → (event name, attributes that are stored or that facts are extracted from)."""
    links: dict[int, list[bytes]] = field(default_factory=dict)
    """Span row → trace id and span id of each link (24 bytes)."""
    trace_labels: dict[int, str] = field(default_factory=dict)
    span_labels: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.kind)


def span_table(
    flat: SpanColumns,
    labels: AttributeInterner,
    wanted: AttributeSelection,
    keep: NDArray[np.bool_],
) -> pa.Table:
    """Return the span table (SPAN_SCHEMA) of the spans in `keep`, with facts, without content."""
    _take_events(flat, labels, wanted)
    _drop_caller_only_attributes(flat, labels)
    ids = _take_ids(flat, labels, wanted.ids)
    sets = _with_facts(flat, labels, wanted, _attribute_sets(flat, labels))
    columns = [
        _fixed(flat.trace),
        _fixed(flat.span),
        _fixed(flat.parent),
        _sparse(flat.trace_labels, len(flat)),
        _sparse(flat.span_labels, len(flat)),
        _dictionary(flat.name),
        pa.array(flat.kind),
        pa.array(flat.failed),
        pa.array(flat.start),
        pa.array(np.where(flat.end >= flat.start, flat.end, 0)),
        _dictionary(flat.resource),
        _dictionary(flat.scope),
        _dictionary(sets),
        *_usage(flat),
        *map(pa.array, ids),
        _links(flat.links, len(flat)),
    ]
    table = pa.Table.from_arrays(columns, schema=SPAN_SCHEMA)
    return table if keep.all() else table.filter(pa.array(keep))


def _usage(flat: SpanColumns) -> Iterator[pa.Array]:
    yield from map(pa.array, (flat.input_tokens, flat.output_tokens, flat.cached_input_tokens))
    yield pa.array(flat.cost, mask=np.isnan(flat.cost))


def _take_events(flat: SpanColumns, labels: AttributeInterner, wanted: AttributeSelection) -> None:
    rows, codes = [], []
    for row, events in flat.events.items():
        for name, attributes in events:
            for key in wanted.events.get(name, frozenset()) & attributes.keys():
                rows.append(row)
                codes.append(labels.code(key, attributes[key]))
            if name in wanted.events:
                rows.append(row)
                codes.append(labels.code(f"event:{name}", value=True))
    if not rows:
        return
    pairs = np.unique(np.stack([np.array(rows, np.int64), np.array(codes, np.int64)]), axis=1)
    _append_attributes(flat, pairs[0], pairs[1].astype(np.int32))


def _take_ids(
    flat: SpanColumns, labels: AttributeInterner, columns: Mapping[str, str]
) -> list[I64]:
    """Remove the attributes that are ids, and return their digests in ID_COLUMNS; 0: none."""
    found = {name: np.zeros(len(flat), np.int64) for name in ID_COLUMNS}
    key = labels.id_keys[flat.attribute_code]
    if not key.any():
        return list(found.values())
    for number, column in reversed(list(enumerate(columns.values(), 1))):
        places = np.flatnonzero(key == number)
        found[column][flat.attribute_row[places]] = labels.ids[flat.attribute_code[places]]
    _keep_attributes(flat, key == 0)
    return list(found.values())


def _drop_caller_only_attributes(flat: SpanColumns, labels: AttributeInterner) -> None:
    """Drop caller-only attributes of server and consumer spans."""
    if not labels.caller_only:
        return
    caller_only = np.zeros(len(labels.items), np.bool_)
    caller_only[labels.caller_only] = True
    serving = np.isin(flat.kind, (KIND_SERVER, KIND_CONSUMER))
    _keep_attributes(flat, ~(caller_only[flat.attribute_code] & serving[flat.attribute_row]))


def _keep_attributes(flat: SpanColumns, kept: NDArray[np.bool_]) -> None:
    flat.attribute_row, flat.attribute_code = flat.attribute_row[kept], flat.attribute_code[kept]


def _append_attributes(flat: SpanColumns, rows: I64, codes: NDArray[np.int32]) -> None:
    flat.attribute_row, flat.attribute_code = with_attributes(
        flat.attribute_row, flat.attribute_code, rows, codes
    )


def with_attributes(
    rows: I64, codes: NDArray[np.int32], more_rows: I64, more_codes: NDArray[np.int32]
) -> tuple[I64, NDArray[np.int32]]:
    """Return rows and codes with the additional pairs, sorted by row."""
    if not len(more_rows):
        return rows, codes
    row = np.concatenate([rows, more_rows])
    order = np.argsort(row, kind="stable")
    return row[order], np.concatenate([codes, more_codes])[order]


def _attribute_sets(flat: SpanColumns, labels: AttributeInterner) -> Coded:
    """Assign equal attribute sets the same code, by the sums of their digests."""
    total = np.concatenate(
        [np.zeros(1, np.uint64), np.cumsum(labels.digests(flat.attribute_code), dtype=np.uint64)]
    )
    bounds = np.searchsorted(flat.attribute_row, np.arange(len(flat) + 1))
    sums = total[bounds[1:]] - total[bounds[:-1]]
    codes, first = factorize(sums)
    values = [_json(flat, labels, bounds, row) for row in first.tolist()]
    return Coded(codes.astype(np.int32), values)


def _json(flat: SpanColumns, labels: AttributeInterner, bounds: I64, row: int) -> str:
    codes = flat.attribute_code[bounds[row] : bounds[row + 1]].tolist()
    return orjson.dumps(
        dict(sorted((labels.items[code] for code in codes), key=repr)), option=orjson.OPT_SORT_KEYS
    ).decode()


def _with_facts(
    flat: SpanColumns, labels: AttributeInterner, wanted: AttributeSelection, sets: Coded
) -> Coded:
    found = list(_facts(flat, wanted, sets))
    if not found:
        return sets
    rows = np.array([row for row, _, _ in found], np.int64)
    codes = np.array([labels.code(key, value) for _, key, value in found], np.int32)
    _append_attributes(flat, rows, codes)
    return _attribute_sets(flat, labels)


def _facts(
    flat: SpanColumns, wanted: AttributeSelection, sets: Coded
) -> Iterator[tuple[int, str, str]]:
    """Yield (span row, attribute, value), at most one value per attribute and span.

    The first fact with a value wins.
    """
    which: dict[tuple[int, int, int, int], list[Fact]] = {}
    for row in sorted(flat.content.keys() | flat.events.keys()):
        shape = (
            int(flat.name.codes[row]),
            int(flat.scope.codes[row]),
            int(sets.codes[row]),
            int(flat.kind[row]),
        )
        if shape not in which:
            which[shape] = _applicable(flat, wanted.facts, sets, shape)
        taken: set[str] = set()
        for fact in which[shape]:
            value = (
                None
                if fact.into in taken
                else extract_fact(fact, flat.content.get(row, {}), flat.events.get(row, []))
            )
            if value is not None:
                taken.add(fact.into)
                yield row, fact.into, value


def _applicable(
    flat: SpanColumns, facts: Sequence[Fact], sets: Coded, shape: tuple[int, int, int, int]
) -> list[Fact]:
    name, scope, codes, kind = shape
    attributes: Mapping[str, Any] = orjson.loads(sets.values[codes])
    return [
        f
        for f in facts
        if f.condition.holds(flat.name.values[name], flat.scope.values[scope], kind, attributes)
    ]


def _fixed(ids: U8) -> pa.Array:
    rows, size = ids.shape
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(size), rows, [None, pa.py_buffer(np.ascontiguousarray(ids))]
    )


def _dictionary(column: Coded) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(column.codes, pa.int32()), pa.array(column.values, pa.string())
    )


def _sparse(values: Mapping[int, str], rows: int) -> pa.Array:
    if not values:
        return pa.nulls(rows, pa.string())
    return pa.array([values.get(row) for row in range(rows)], pa.string())


def _links(links: Mapping[int, list[bytes]], rows: int) -> pa.Array:
    kind = pa.list_(pa.binary(24))
    return (
        pa.array([links.get(row) for row in range(rows)], kind) if links else pa.nulls(rows, kind)
    )
