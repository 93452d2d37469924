"""Summaries of span sources: which traces they hold, and what of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import factorize, words
from agentguard.discovery.classification import Classifier
from agentguard.discovery.prescan import Prescan, prescan
from agentguard.discovery.spantree import row_digests

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Traces:
    """n distinct traces and what is held of them; 32 bytes each."""

    word: U64
    """(n,) lower half of the trace id, so that spans with the upper half cut off belong to it."""
    start: I64
    """(n,) earliest start of a span, ns."""
    spans: I64
    """(n,) number of spans, duplicates included."""
    digest: U64
    """(n,) sum of the spans' digests (spantree.row_digests): independent of their order."""

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of a source."""

    traces: Traces
    facts: Prescan


def summarize(tables: Iterable[pa.Table], classifier: Classifier) -> Summary:
    """Return the summary of span tables (SPAN_SCHEMA)."""
    facts, found = Prescan(), []
    for table in tables:
        facts |= prescan(table, classifier)
        found.append(_traces(table))
    return Summary(combined(found)[0], facts)


def combined(parts: Sequence[Traces]) -> tuple[Traces, I64]:
    """Return the traces of all parts, and for each trace of each part its row among them."""
    parts = (_no_traces(), *parts)
    word = np.concatenate([part.word for part in parts])
    row, first = factorize(word)
    start = np.full(len(first), 2**63 - 1, np.int64)
    np.minimum.at(start, row, np.concatenate([part.start for part in parts]))
    spans = np.zeros(len(first), np.int64)
    np.add.at(spans, row, np.concatenate([part.spans for part in parts]))
    digest = np.zeros(len(first), np.uint64)
    np.add.at(digest, row, np.concatenate([part.digest for part in parts]))
    return Traces(word[first], start, spans, digest), row


def _traces(table: pa.Table) -> Traces:
    rows = Traces(
        words(table.column("trace_id"), 16)[:, 1],
        table.column("start").to_numpy(),
        np.ones(len(table), np.int64),
        row_digests(table),
    )
    return combined([rows])[0]


def _no_traces() -> Traces:
    none = np.zeros(0, np.int64)
    return Traces(none.view(np.uint64), none, none, none.view(np.uint64))
