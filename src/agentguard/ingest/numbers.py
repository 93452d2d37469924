"""Numbers of tokens and costs in span attributes: as numbers, as text, or inside JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agentguard.ingest.attribute_selection import NUMBERS, AttributeSelection
from agentguard.ingest.other_attributes import Usage
from agentguard.ingest.values import parsed
from agentguard.kernel.patterns import Pattern

Numbers: TypeAlias = tuple[float, float, float, float]
"""Input tokens, output tokens, input tokens that the provider read from its cache, cost.

NaN: not given.
"""
COLUMNS = len(NUMBERS)

NOTHING: Numbers = (math.nan, math.nan, math.nan, math.nan)
_MAX_AMOUNT = 10**15
_TEXT = Pattern(r'^\s*"?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?"?\s*$')
_LONGEST_TEXT = 64
"""Characters of a text that can be a number."""


def numeric_attributes(wanted: AttributeSelection) -> Mapping[str, Usage]:
    """Return where each attribute holds numbers: the paths in its value, for each column."""
    columns = [getattr(wanted, name) for name in NUMBERS]
    direct: dict[str, Usage] = {
        key: tuple((((),) if key in keys else ()) for keys in columns)
        for key in frozenset().union(*columns)
    }
    return direct | dict(wanted.usage)


def numbers_in(value: Any, usage: Usage) -> Numbers:
    """Return the numbers in an attribute's value; of several paths, the first with one counts."""
    if any(path for paths in usage for path in paths):
        value = parsed(value)
    found = (_first(value, paths) for paths in usage)
    return next(found), next(found), next(found), next(found)


def _first(value: Any, paths: tuple[tuple[str, ...], ...]) -> float:
    every = (amount(_at(value, path)) for path in paths)
    return next((number for number in every if number is not None), math.nan)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def amount(value: Any) -> float | None:
    """Return the value as a number of tokens or an amount of money, or None.

    Some exporters write numbers as text (Micrometer), or as JSON text (MLflow). The number must be
    finite and small enough for 64-bit sums.
    """
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT and _TEXT.found(value):
        value = float(value.strip(' \t\r\n"'))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) <= _MAX_AMOUNT else None


def by_column(numbers: NDArray[np.float64]) -> dict[str, Any]:
    """Return a (COLUMNS, spans) array by the names of the span table's columns."""
    into, out, cached, cost = numbers
    return {
        "input_tokens": whole(into),
        "output_tokens": whole(out),
        "cached_input_tokens": whole(cached),
        "cost": cost.copy(),
    }


def whole(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return numbers of tokens; 0 where none is given."""
    return np.fmax(numbers, 0).astype(np.int64)


def larger(one: Numbers, other: Numbers) -> Numbers:
    """Return the larger number of each column."""
    found = (
        other if math.isnan(one) or other > one else one
        for one, other in zip(one, other, strict=True)
    )
    return next(found), next(found), next(found), next(found)


def keep_largest(
    into: NDArray[np.float64], rows: NDArray[np.int64], numbers: NDArray[np.float64]
) -> None:
    """Store the largest number of each row."""
    if (rows[1:] > rows[:-1]).all():
        into[rows] = np.fmax(into[rows], numbers)
    else:
        np.fmax.at(into, rows, numbers)
