"""A row's digest depends on all that the row holds, and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from agentguard.discovery.spantree import row_digests
from agentguard.ingest.spans import SPAN_SCHEMA
from tests.discovery.test_invariance import shuffled, spans_of

OTHER: dict[str, Any] = {
    "trace_id": b"t" * 16,
    "span_id": b"s" * 8,
    "parent_id": b"p" * 8,
    "failed": None,
    "cost_usd": 0.5,
    "links": [b"l" * 24],
}


def other(name: str, before: Any) -> Any:
    if name == "failed":
        return not before
    if isinstance(before, int):
        return before + 1
    return OTHER.get(name, '{"service.name": "other"}')


@pytest.mark.parametrize("name", SPAN_SCHEMA.names)
def test_every_column_counts(name: str) -> None:
    spans = spans_of(("ag2",)).slice(0, 3)
    rows = spans.to_pylist()
    rows[1][name] = other(name, rows[1][name])

    changed = row_digests(pa.Table.from_pylist(rows, SPAN_SCHEMA)) != row_digests(spans)

    assert changed.tolist() == [False, True, False]


def test_order_and_encoding_do_not_count() -> None:
    spans = spans_of(("ag2", "strands"))
    digests = row_digests(spans)
    encoded_otherwise = pa.Table.from_pylist(shuffled(spans, 1).to_pylist(), SPAN_SCHEMA)

    assert len(np.unique(digests)) == len(spans)
    assert np.array_equal(np.sort(row_digests(encoded_otherwise)), np.sort(digests))
