"""Columns of the call table as flat arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agentguard.compute.arrays import U64

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0x100000001B3)  # the FNV prime; odd, so its powers are never 0 mod 2^64


def distinct_texts(table: pa.Table, name: str) -> set[str]:
    """Return the texts of a column."""
    return {text for text in _column(table, name).dictionary.to_pylist() if text is not None}


def numbers(table: pa.Table, name: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the place of each text among the names; -1 for null and others."""
    column = _column(table, name)
    number = {text: i for i, text in enumerate(names)}
    codes = np.array(
        [number.get(text, -1) for text in column.dictionary.to_pylist()] + [-1], dtype=np.int64
    )
    places: NDArray[np.int64] = np.asarray(column.indices.fill_null(-1), dtype=np.int64)
    return codes[places]


def integers(table: pa.Table, name: str) -> NDArray[np.int64]:
    """Return an integer column."""
    return np.asarray(table.column(name), dtype=np.int64)


def booleans(table: pa.Table, name: str) -> NDArray[np.bool_]:
    """Return a Boolean column."""
    return np.asarray(table.column(name), dtype=np.bool_)


def of_type(calls: pa.Table, wanted: set[str]) -> NDArray[np.bool_]:
    """Return which calls have one of these types."""
    types = tuple(sorted(distinct_texts(calls, "type")))
    known = np.array([t in wanted for t in types] + [True], dtype=np.bool_)
    return known[numbers(calls, "type", types)]


def span_hashes(calls: pa.Table) -> U64:
    """Return a hash of each call's trace id and span id, the same in every row order."""
    return _hash(calls, "trace_id") * _MULTIPLIER + _hash(calls, "span_id")


def text_hash(*texts: str) -> int:
    """Return a 64-bit hash of texts that is the same in every process."""
    table = pa.table({"text": pa.array(["\x1f".join(texts)], pa.string())})
    return int(_hash(table, "text")[0])


def text_hashes(texts: list[str]) -> U64:
    """Return a 64-bit hash of each text that is the same in every process."""
    return _hash(pa.table({"text": pa.array(texts, pa.string())}), "text")


def _column(table: pa.Table, name: str) -> pa.DictionaryArray:
    column = table.column(name)
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    chunks = encoded.unify_dictionaries().combine_chunks()
    return chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks


def _hash(table: pa.Table, name: str) -> U64:
    """Return a polynomial hash of each text's bytes."""
    texts = table.column(name).cast(pa.large_string()).combine_chunks()
    arrays = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *map(_hash_array, arrays)])


def _hash_array(texts: pa.LargeStringArray) -> U64:
    if not len(texts):
        return np.zeros(0, dtype=np.uint64)
    _, offsets_buffer, bytes_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    lengths = np.diff(offsets)
    hashes = lengths.astype(np.uint64)
    content = (
        np.frombuffer(bytes_buffer, dtype=np.uint8)
        if bytes_buffer is not None
        else np.zeros(0, dtype=np.uint8)
    )
    for place in range(int(lengths.max())):
        has = np.flatnonzero(lengths > place)
        hashes[has] = hashes[has] * _MULTIPLIER + content[offsets[has] + place]
    return hashes
