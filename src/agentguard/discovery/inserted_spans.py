"""Insertion of spans that nothing recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.classification import Classification, Classifications
from agentguard.discovery.partial import I64
from agentguard.discovery.span_state import SpanState


def insert_above(
    s: SpanState, rows: I64, classify: Callable[[Classification], Classification]
) -> I64:
    """Insert a span above each of these spans, which serves as its evidence; return the new rows.

    `classify` returns the classification of the span above one of this classification.
    """
    added = np.arange(len(s.role), len(s.role) + len(rows))
    roles = _classify(s, rows, classify)
    above = s.parent[rows]
    failed = s.failed[rows] & (above < 0)
    _extend_tree(s, rows)
    s.parent[rows] = added
    s.parent = np.concatenate([s.parent, above])
    s.role = np.concatenate([s.role, roles])
    s.failed = np.concatenate([s.failed, failed])
    _extend_times(s, rows)
    into, out, cached = (np.pad(tokens, (0, len(rows))) for tokens in s.tokens)
    s.tokens = (into, out, cached)
    return added


def _extend_times(s: SpanState, rows: I64) -> None:
    s.start, s.end = (np.concatenate([times, times[rows]]) for times in (s.start, s.end))
    s.timed = np.concatenate([s.timed, np.zeros(len(rows), np.bool_)])


def _classify(
    s: SpanState, rows: I64, classify: Callable[[Classification], Classification]
) -> NDArray[np.int8]:
    """Add the classifications of the new spans; return their roles."""
    known = s.classifications
    shapes, inverse = np.unique(known.shape[rows], return_inverse=True)
    added = [classify(known.by_shape[shape]) for shape in shapes.tolist()]
    s.classifications = Classifications(
        np.concatenate([known.shape, len(known.by_shape) + inverse]), [*known.by_shape, *added]
    )
    roles: NDArray[np.int8] = np.array([c.role for c in added], np.int8)[inverse]
    return roles


def _extend_tree(s: SpanState, rows: I64) -> None:
    tree = s.tree
    s.tree = replace(
        tree,
        trace=np.concatenate([tree.trace, tree.trace[rows]]),
        span=np.concatenate([tree.span, tree.span[rows]]),
        orphan=np.concatenate([tree.orphan, tree.orphan[rows]]),
    )
