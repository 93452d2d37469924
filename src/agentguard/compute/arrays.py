"""Ids as 64-bit words, hashing and factorization of integer arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


def words(column: pa.ChunkedArray, width: int) -> U64:
    """Return fixed-size binary ids as (n, width / 8) 64-bit words."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if len(array) == 0:
        return np.zeros((0, width // 8), np.uint64)
    data = np.frombuffer(array.buffers()[1], np.uint8)[
        array.offset * width : (array.offset + len(array)) * width
    ]
    return data.reshape(len(array), width).view("<u8").astype(np.uint64, copy=False)


def factorize(keys: U64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a code per key, numbered by first occurrence, and the first row of each code.

    Uses a hash table instead of sorting.
    """
    encoded = pa.array(keys).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.full(len(encoded.dictionary), len(keys), np.int64)
    rows = np.arange(len(keys) - 1, -1, -1)
    first[codes[::-1]] = rows
    return codes, first


def factorize_rows(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a code per row of the columns, and the first row of each code.

    Values must be at least -1, and the product of the columns' ranges must be below 2**63.
    """
    keys = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        keys = keys * (int(column.max(initial=0)) + 2) + (column + 1)
    return factorize(keys.view(np.uint64))


def distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distinct keys in order; faster than np.unique where most are."""
    ordered = np.sort(keys)
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def hash_rows(*columns: U64) -> U64:
    """Hash each row of 64-bit words to 64 bits."""
    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        total = (total ^ (column * _MIX[0])) * _MIX[1]
        total ^= total >> np.uint64(31)
    total *= _MIX[2]
    return total ^ (total >> np.uint64(29))
