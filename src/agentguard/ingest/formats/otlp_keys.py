"""Finds the attributes to keep among millions of raw KeyValues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.ingest.numbers import numeric_attributes
from agentguard.ingest.other_attributes import OtherAttributes
from agentguard.ingest.span_columns import I64, U8

U64 = NDArray[np.uint64]
Mask = NDArray[np.bool_]
_CLEAR = np.concatenate(
    [(np.uint64(1) << np.arange(0, 64, 8, dtype=np.uint64)) - np.uint64(1), [np.uint64(2**64 - 1)]]
)
"""Entry n masks the first n of eight little-endian bytes."""
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93], np.uint64)
_KEY_TAG = 0x0A
_SMALLEST = 10
"""Bytes of the smallest KeyValue that can match and that can be read eight bytes at a time."""
NUMBER, CONTENT, LABEL = 0, 1, 2
"""Use of an attribute."""
_UNUSED = -1
_LONG_KEY = 128
"""Bytes of a key whose length takes more than one byte; such keys are not selected."""
_MOST_KEYS = 50_000


class UnusualBytesError(ValueError):
    """Valid protobuf that the fast path does not support."""


class KeyTable:
    """Finds selected keys among millions of raw KeyValues, by a signature of each key.

    The signature mixes the key's length with its first, middle and last eight bytes. Selected keys
    of one signature have one use (checked here); the parser of a match compares the whole key.
    """

    def __init__(self, wanted: AttributeSelection) -> None:
        found = _uses_by_signature(wanted)
        order = np.argsort(np.fromiter(found, np.uint64, len(found)), kind="stable")
        self._signatures = np.fromiter(found, np.uint64, len(found))[order]
        self._uses = np.fromiter((use for use, _ in found.values()), np.int8, len(found))[order]
        slots = (self._signatures >> np.uint64(48)).astype(np.int64)
        self._collides = len(set(slots.tolist())) < len(found)
        self._slots = np.zeros(1 << 16, np.uint16)
        self._slots[slots] = np.arange(len(found))
        self._others = None if wanted.others is None else _OtherKeys(wanted.others)

    def find(self, raw: pa.BinaryArray, is_open: Mask) -> tuple[I64, NDArray[np.int8]]:
        """Return the positions of selected attributes, ascending, and the use of each.

        `is_open` tells for each attribute whether it may be kept by its form. Raises
        UnusualBytesError for a value before its key.
        """
        data, usable, starts = _usable(raw)
        lengths = data[starts + 1].astype(np.int64)
        signatures = _signatures(data, starts + 2, lengths)
        uses = self._selected(signatures)
        uses[lengths >= _LONG_KEY] = _UNUSED
        if self._others is not None:
            left = np.flatnonzero((uses == _UNUSED) & (lengths < _LONG_KEY) & is_open[usable])
            uses[left] = self._others.uses(data, starts[left] + 2, lengths[left], signatures[left])
        chosen = np.flatnonzero(uses != _UNUSED)
        return usable[chosen], uses[chosen]

    def _selected(self, signatures: U64) -> NDArray[np.int8]:
        """Return the use of each key by its signature; _UNUSED: not selected."""
        slots = self._positions(signatures)
        hit = self._signatures[slots] == signatures
        return np.where(hit, self._uses[slots], np.int8(_UNUSED))

    def _positions(self, signatures: U64) -> I64:
        if not self._collides:
            return self._slots[(signatures >> np.uint64(48)).view(np.int64)].astype(np.int64)
        places: I64 = np.minimum(
            np.searchsorted(self._signatures, signatures), len(self._signatures) - 1
        )
        return places


def _usable(raw: pa.BinaryArray) -> tuple[U8, I64, I64]:
    """Return the bytes, the positions of attributes that can be selected, and their starts."""
    data, offsets = buffer_of(raw)
    starts, sizes = offsets[:-1], np.diff(offsets)
    if not (data[starts[sizes > 0]] == _KEY_TAG).all():
        raise UnusualBytesError
    usable = np.flatnonzero(sizes > _SMALLEST)
    return data, usable, starts[usable]


class _OtherKeys:
    """Finds keys by their form; the use of each is decided once."""

    def __init__(self, others: OtherAttributes) -> None:
        self._others = others
        self._known: U64
        self._uses: NDArray[np.int8]
        self._forget()

    def uses(self, data: U8, starts: I64, lengths: I64, signatures: U64) -> NDArray[np.int8]:
        """Return the use of each key."""
        new = ~self._is_known(signatures)
        if len(self._known) > 1 and len(self._known) + len(np.unique(signatures[new])) > _MOST_KEYS:
            self._forget()
            new = np.ones(len(signatures), np.bool_)
        if new.any():
            self._learn(data, starts[new], lengths[new], signatures[new])
        return self._uses[np.searchsorted(self._known, signatures)]

    def _is_known(self, signatures: U64) -> Mask:
        places = np.minimum(np.searchsorted(self._known, signatures), len(self._known) - 1)
        known: Mask = self._known[places] == signatures
        return known

    def _learn(self, data: U8, starts: I64, lengths: I64, signatures: U64) -> None:
        found, first = np.unique(signatures, return_index=True)
        uses = [
            self._use(data[start : start + length].tobytes().decode("utf-8", "replace"))
            for start, length in zip(starts[first].tolist(), lengths[first].tolist(), strict=True)
        ]
        known = np.concatenate([self._known, found])
        order = np.argsort(known, kind="stable")
        self._known = known[order]
        self._uses = np.concatenate([self._uses, np.array(uses, np.int8)])[order]

    def _use(self, key: str) -> int:
        use = self._others.use_of(key)
        if use is None:
            return _UNUSED
        return LABEL if self._others.numbers(key) is None else NUMBER

    def _forget(self) -> None:
        self._known = np.zeros(1, np.uint64)
        self._uses = np.full(1, _UNUSED, np.int8)


def _uses_by_signature(wanted: AttributeSelection) -> dict[int, tuple[int, str]]:
    """Return the use and one key of each signature of a selected key.

    Raises ValueError if two keys of one signature have different uses.
    """
    uses = [(numeric_attributes(wanted).keys(), NUMBER), (wanted.content, CONTENT)]
    keys = sorted(wanted.span_keys)
    found: dict[int, tuple[int, str]] = {}
    for key, signature in zip(keys, _signatures_of(keys), strict=True):
        use = next((use for of_use, use in uses if key in of_use), LABEL)
        other, taken = found.setdefault(signature, (use, key))
        if other != use:
            raise ValueError(
                f"the attributes {taken} and {key} are equally long and equal at their beginning,"
                " middle and end, and have different uses. Rename one."
            )
    return found


def _signatures_of(keys: Sequence[str]) -> list[int]:
    encoded = [key.encode() for key in keys]
    text = np.frombuffer(b"".join(key + bytes(8) for key in encoded) + bytes(8), np.uint8)
    starts = np.cumsum([0, *(len(key) + 8 for key in encoded)])[:-1]
    lengths = np.fromiter(map(len, encoded), np.int64, len(keys))
    signatures: list[int] = _signatures(text, starts, lengths).tolist()
    return signatures


def buffer_of(array: pa.BinaryArray) -> tuple[U8, I64]:
    """Return a binary array's bytes, padded by at least 8, and its offsets (n + 1)."""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[
        array.offset : array.offset + len(array) + 1
    ].astype(np.int64)
    raw = array.buffers()[2]
    data = np.frombuffer(raw, np.uint8) if raw is not None else np.zeros(0, np.uint8)
    if len(data) < offsets[-1] + 8:
        data = np.concatenate([data, np.zeros(16, np.uint8)])
    return data, offsets


def _signatures(data: U8, starts: I64, lengths: I64) -> U64:
    """Hash the first, middle and last eight bytes of each text together with its length.

    `data` must extend 8 bytes beyond every start.
    """
    words = (
        np.ndarray((len(data) - 7,), "<u8", data.data, strides=(1,))
        if len(data) > 7
        else np.zeros(1, np.uint64)
    )
    first = words[starts] & _CLEAR[np.minimum(lengths, 8)]
    last = (
        words[np.minimum(np.where(lengths > 8, starts + lengths - 8, starts), len(words) - 1)]
        & _CLEAR[np.minimum(lengths, 8)]
    )
    middle = (
        words[np.minimum(np.where(lengths > 8, starts + lengths // 2 - 4, starts), len(words) - 1)]
        & _CLEAR[np.minimum(lengths, 8)]
    )
    mixed: U64 = (first * _MIX[0]) ^ ((last + lengths.astype(np.uint64)) * _MIX[1])
    mixed = (mixed ^ (mixed >> np.uint64(29)) ^ middle) * _MIX[2]
    mixed ^= (mixed >> np.uint64(31)) ^ (mixed << np.uint64(17))
    return mixed
