"""Splits long lists of values into statements that every database accepts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

_MOST_VALUES = 1000
"""SQLite and PostgreSQL take about 32,000 bound values per statement."""


def batches(values: Collection[str]) -> Iterator[Sequence[str]]:
    rest = iter(values)
    while batch := list(islice(rest, _MOST_VALUES)):
        yield batch
