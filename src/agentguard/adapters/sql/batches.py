"""Splits long lists of values into statements that every database accepts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_MOST_VALUES = 1000
"""SQLite and PostgreSQL take about 32,000 bound values per statement."""


def batches(values: Collection[T], most: int = _MOST_VALUES) -> Iterator[Sequence[T]]:
    rest = iter(values)
    while batch := list(islice(rest, most)):
        yield batch
