"""One way to write a value as JSON.

Sorted keys, no spaces, UTF-8, so that equal values are equal bytes.
"""

from __future__ import annotations

import orjson


def stable_json(value: object) -> bytes:
    """Return a value of dataclasses, mappings, sequences, strings, numbers, booleans and None as
    JSON.

    Floats come back as the same floats; integers must fit 64 bits.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
