"""Builds span trees: deduplicates spans, splits shared ids and cuts parent cycles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agentguard.compute.arrays import hash_rows, words
from agentguard.ingest.attribute_selection import ID_COLUMNS, TOKENS
from agentguard.ingest.spans import KIND_CONSUMER, KIND_SERVER
from agentguard.traces.trace_ids import with_full_trace_ids

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]

_CONTENT = (
    "name",
    "kind",
    "failed",
    "start",
    "end",
    "resource",
    "scope",
    "attributes",
    *TOKENS,
    "cost_usd",
    *ID_COLUMNS,
)


@dataclass(frozen=True, slots=True)
class SpanTree:
    """Deduplicated spans and their parents."""

    spans: pa.Table
    """SPAN_SCHEMA, one chunk per column, deduplicated; n rows, ordered by ids and services only."""
    trace: U64
    """(n, 2) words of the trace id."""
    span: U64
    """(n,) word of the span id."""
    parent: I64
    """(n,) row of the parent; -1: none."""
    orphan: Mask
    """(n,) whether the parent is missing, or was cut to break a cycle."""
    parent_cycles: I64
    """Rows at which parent cycles were cut."""
    duplicates: int


@dataclass(frozen=True, slots=True)
class _Halves:
    """What distinguishes rows that share a span id."""

    serving: Mask
    """(n,) whether it is the server or consumer half."""
    service: I64
    """(n,) rank of the service's name."""


def span_tree(spans: pa.Table) -> SpanTree:
    """Join the spans (SPAN_SCHEMA; complete traces) to their parents.

    Duplicates count once; if two copies differ, their content decides which is kept. A client half
    and server halves of several services may share an id: all are kept, and the server halves
    become children of the client half. Trace ids truncated to the lower 64 bits are restored; a
    span that is its own parent becomes a root.
    """
    spans = with_full_trace_ids(spans.unify_dictionaries().combine_chunks())
    kept = _rows_to_keep(spans)
    table = spans if len(kept) == len(spans) else spans.take(pa.array(kept))
    halves = _halves(table)
    place = (np.where(halves.serving, halves.service, -1), halves.serving)
    order = np.lexsort(
        (
            *place,
            words(table.column("span_id"), 8)[:, 0],
            *words(table.column("trace_id"), 16).T[::-1],
        )
    )
    table = table.take(pa.array(order)).combine_chunks()
    trace, span = words(table.column("trace_id"), 16), words(table.column("span_id"), 8)[:, 0]
    parent_id = words(table.column("parent_id"), 8)[:, 0]
    parent_id = np.where(parent_id == span, np.uint64(0), parent_id)
    parent = _parents(trace, span, parent_id)
    _split_shared_ids(_Halves(halves.serving[order], halves.service[order]), trace, span, parent)
    orphan = (parent < 0) & (parent_id != 0)
    cut = _cycle_cuts(parent)
    parent[cut] = -1
    orphan[cut] = True
    return SpanTree(table, trace, span, parent, orphan, cut, len(spans) - len(table))


def outline(tree: SpanTree) -> tuple[I64, I64]:
    """Return the tree for display: each span's parent, and the rows in order of start.

    Spans without a time come first. Further roots and orphans of a trace become children of its
    first root, as in Zipkin's UI; these edges do not represent calls.
    """
    start = tree.spans.column("start").to_numpy()
    order = np.lexsort((np.arange(len(start)), start))
    head: dict[bytes, int] = {}
    for row in order[(tree.parent[order] < 0) & ~tree.orphan[order]].tolist():
        head.setdefault(tree.trace[row].tobytes(), row)
    parent = tree.parent.copy()
    for row in np.flatnonzero(parent < 0).tolist():
        above = head.get(tree.trace[row].tobytes(), row)
        parent[row] = above if above != row else -1
    return parent, order


def row_digests(spans: pa.Table) -> U64:
    """Return a 64-bit digest of each row (SPAN_SCHEMA): of all columns, by value.

    Equal rows have equal digests, and others differ, up to chance.
    """
    spans = spans.unify_dictionaries().combine_chunks()
    return hash_rows(
        *words(spans.column("trace_id"), 16).T,
        words(spans.column("span_id"), 8)[:, 0],
        _sparse_digests(spans, "trace_label"),
        _content_digests(spans),
    )


def _halves(table: pa.Table) -> _Halves:
    serving = np.isin(table.column("kind").to_numpy(), (KIND_SERVER, KIND_CONSUMER))
    resources = table.column("resource").combine_chunks()
    resources = resources.chunk(0) if isinstance(resources, pa.ChunkedArray) else resources
    names = [
        str(orjson.loads(text).get("service.name", "")) for text in resources.dictionary.to_pylist()
    ]
    rank = {name: n for n, name in enumerate(sorted(set(names)))}
    return _Halves(
        serving, np.array([rank[name] for name in names], np.int64)[resources.indices.to_numpy()]
    )


def _rows_to_keep(spans: pa.Table) -> I64:
    """Return the rows to keep: one per span id and half, and per service for server halves."""
    trace, span = words(spans.column("trace_id"), 16), words(spans.column("span_id"), 8)[:, 0]
    halves = _halves(spans)
    half = np.where(halves.serving, halves.service + 1, 0).astype(np.uint64)
    key = hash_rows(trace[:, 0], trace[:, 1], span, half)
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    if not same.any():
        return np.arange(len(spans))
    content = _content_digests(spans)
    order = np.lexsort((content, key))
    first = np.concatenate([[True], key[order][1:] != key[order][:-1]])
    return np.sort(order[first])


def _content_digests(spans: pa.Table) -> U64:
    columns = [
        words(spans.column("parent_id"), 8)[:, 0],
        _sparse_digests(spans, "links"),
        _sparse_digests(spans, "span_label"),
    ]
    for name in _CONTENT:
        array = spans.column(name).combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_dictionary(array.type):
            digests = np.array([_digest(text) for text in array.dictionary.to_pylist()], np.uint64)
            columns.append(digests[array.indices.to_numpy()])
        elif pa.types.is_floating(array.type):
            columns.append(array.fill_null(-1).to_numpy(zero_copy_only=False).view(np.uint64))
        else:
            columns.append(array.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64))
    return hash_rows(*columns)


def _sparse_digests(spans: pa.Table, name: str) -> U64:
    """Digest a sparse column."""
    digests = np.zeros(len(spans), np.uint64)
    rows = np.flatnonzero(spans.column(name).is_valid().to_numpy())
    digests[rows] = [
        _digest(repr(value)) for value in spans.column(name).take(pa.array(rows)).to_pylist()
    ]
    return digests


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _parents(trace: U64, span: U64, parent_id: U64) -> I64:
    keys = hash_rows(trace[:, 0], trace[:, 1], span)
    found = pc.index_in(
        pa.array(hash_rows(trace[:, 0], trace[:, 1], parent_id)), value_set=pa.array(keys)
    ).fill_null(-1)
    parent = found.to_numpy().astype(np.int64)
    real = (parent >= 0) & (parent_id != 0)
    real &= (span[parent] == parent_id) & (trace[parent] == trace).all(axis=1)
    return np.where(real, parent, -1)


def _split_shared_ids(halves: _Halves, trace: U64, span: U64, parent: I64) -> None:
    """Make server halves children of the client half that shares their id.

    Children in a server half's service move below it; children that are server spans were called
    and stay with the client half. A client half without a parent takes a server half's.
    """
    first = np.ones(len(span), np.bool_)
    first[1:] = (span[1:] != span[:-1]) | (trace[1:] != trace[:-1]).any(axis=1)
    leader = np.maximum.accumulate(np.where(first, np.arange(len(span)), 0))
    servers = np.flatnonzero(~first & ~halves.serving[leader])
    if not len(servers):
        return
    clients = leader[servers]
    inherited = (parent[clients] < 0) & (parent[servers] >= 0)
    parent[clients[inherited]] = parent[servers[inherited]]
    children = np.flatnonzero(np.isin(parent, clients) & ~halves.serving)
    parents_and_services = hash_rows(
        parent[children].astype(np.uint64), halves.service[children].astype(np.uint64)
    )
    found = pc.index_in(
        pa.array(parents_and_services),
        value_set=pa.array(
            hash_rows(clients.astype(np.uint64), halves.service[servers].astype(np.uint64))
        ),
    )
    own = found.fill_null(-1).to_numpy().astype(np.int64)
    parent[children[own >= 0]] = servers[own[own >= 0]]
    parent[servers] = clients


def _cycle_cuts(parent: I64) -> I64:
    """Return one row per cycle, the first in the order of ids."""
    rows = np.arange(len(parent))
    up = np.where(parent >= 0, parent, rows)
    for _ in range(max(1, int(np.ceil(np.log2(max(2, len(parent))))) + 1)):
        up = up[up]
    lost = np.flatnonzero(parent[up] >= 0)
    cuts: set[int] = set()
    for start in np.unique(up[lost]).tolist():
        cycle = [start]
        while (above := int(parent[cycle[-1]])) != start and len(cycle) <= len(parent):
            cycle.append(above)
        cuts.add(min(cycle))
    return np.array(sorted(cuts), np.int64)
