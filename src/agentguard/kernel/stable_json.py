"""Deterministic JSON: sorted keys, no spaces, UTF-8; equal values give equal bytes."""

from __future__ import annotations

import orjson


def stable_json(value: object) -> bytes:
    """Return the value as JSON.

    Accepts dataclasses, mappings, sequences, strings, numbers, booleans and None. Floats
    round-trip; integers must fit into 64 bits. This is not RFC 8785: NaN becomes null, and keys
    sort by code point.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
