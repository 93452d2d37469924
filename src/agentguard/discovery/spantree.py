"""Spans joined to their parents: duplicates dropped, shared ids split, cycles cut."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agentguard.ingest.spans import KIND_CONSUMER, KIND_SERVER
from agentguard.ingest.words import mix, words

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]

_CONTENT = ("name", "kind", "failed", "start", "end", "resource", "scope", "attributes", "input_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class SpanTree:
    """Distinct spans and their parents."""

    spans: pa.Table
    """SPAN_SCHEMA, one chunk a column, duplicates dropped; n rows in an order that depends on the ids alone."""
    trace: U64
    """(n, 2)"""
    span: U64
    """(n,)"""
    parent: I64
    """(n,) row of the parent; -1: none"""
    orphan: Mask
    """(n,) names a parent that is not there, or that would close a cycle"""
    circles: I64
    """Rows at which parents that led round in a circle were cut"""
    duplicates: int


def span_tree(spans: pa.Table) -> SpanTree:
    """Join the spans (SPAN_SCHEMA; whole traces) to their parents.

    A span delivered twice counts once; where two copies differ, their content decides which is kept. A client and a
    server half may share an id: both are kept, and the server half becomes the client half's child.
    """
    spans = spans.unify_dictionaries().combine_chunks()
    kept = _distinct(spans)
    table = spans if len(kept) == len(spans) else spans.take(pa.array(kept))
    order = np.lexsort((*_place(table), words(table.column("span_id"), 8)[:, 0], *words(table.column("trace_id"), 16).T[::-1]))
    table = table.take(pa.array(order)).combine_chunks()
    trace, span = words(table.column("trace_id"), 16), words(table.column("span_id"), 8)[:, 0]
    wanted = words(table.column("parent_id"), 8)[:, 0]
    parent = _parents(trace, span, wanted)
    _split_shared_ids(table, trace, span, parent)
    orphan = (parent < 0) & (wanted != 0)
    cut = _cycle_cuts(parent)
    parent[cut] = -1
    orphan[cut] = True
    return SpanTree(table, trace, span, parent, orphan, cut, len(spans) - len(table))


def _place(table: pa.Table) -> list[NDArray[np.int8]]:
    """Sort keys within one span id: the client half before the server half."""
    return [np.isin(table.column("kind").to_numpy(), (KIND_SERVER, KIND_CONSUMER)).astype(np.int8)]


def _distinct(spans: pa.Table) -> I64:
    """Return the rows to keep, one for each span id and half."""
    trace, span = words(spans.column("trace_id"), 16), words(spans.column("span_id"), 8)[:, 0]
    half = np.isin(spans.column("kind").to_numpy(), (KIND_SERVER, KIND_CONSUMER)).astype(np.uint64)
    key = mix(trace[:, 0], trace[:, 1], span, half)
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    if not same.any():
        return np.arange(len(spans))
    content = _content_digests(spans)
    order = np.lexsort((content, key))
    first = np.concatenate([[True], key[order][1:] != key[order][:-1]])
    return np.sort(order[first])


def _content_digests(spans: pa.Table) -> U64:
    columns = []
    for name in _CONTENT:
        array = spans.column(name).combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_dictionary(array.type):
            digests = np.array([_digest(text) for text in array.dictionary.to_pylist()], np.uint64)
            columns.append(digests[array.indices.to_numpy()])
        else:
            columns.append(array.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64))
    return mix(*columns)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _parents(trace: U64, span: U64, wanted: U64) -> I64:
    keys = mix(trace[:, 0], trace[:, 1], span)
    found = pc.index_in(pa.array(mix(trace[:, 0], trace[:, 1], wanted)), value_set=pa.array(keys)).fill_null(-1)
    parent = found.to_numpy().astype(np.int64)
    real = (parent >= 0) & (wanted != 0)
    real &= (span[parent] == wanted) & (trace[parent] == trace).all(axis=1)
    return np.where(real, parent, -1)


def _split_shared_ids(table: pa.Table, trace: U64, span: U64, parent: I64) -> None:
    """Where a client and a server half share an id, put the server half below the client half, and its service's children below it."""
    twin = np.flatnonzero((span[1:] == span[:-1]) & (trace[1:] == trace[:-1]).all(axis=1)) + 1
    if not len(twin):
        return
    services = table.column("resource").combine_chunks().indices.to_numpy()
    for server in twin.tolist():
        client = server - 1
        children = np.flatnonzero(parent == client)
        own = children[(services[children] == services[server]) & (services[server] != services[client])]
        parent[own] = server
        parent[server] = client


def _cycle_cuts(parent: I64) -> I64:
    """Return a row of each cycle: the first, in the order of ids."""
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
