"""Coverage of a partial result: counts of spans by dialect, sampling, orphans and cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from agentguard.compute.arrays import factorize, hash_rows
from agentguard.discovery.classification import Classification
from agentguard.discovery.dialects.loading import Role
from agentguard.discovery.span_state import SpanState
from agentguard.discovery.spantree import SpanTree
from agentguard.ingest.sampling import SAMPLING_THRESHOLD, probability


def id_labels(tree: SpanTree) -> dict[bytes, str]:
    """Return the ids that are not hex, as written."""
    labels: dict[bytes, str] = {}
    for key, width in (("trace_label", 16), ("span_label", 24)):
        column = tree.spans.column(key)
        if column.null_count == len(column):
            continue
        traces, spans = (
            tree.spans.column("trace_id").to_pylist(),
            tree.spans.column("span_id").to_pylist(),
        )
        for trace, span, label in zip(traces, spans, column.to_pylist(), strict=True):
            if label is not None:
                labels[trace if width == 16 else trace + span] = label
    return labels


def _sampling(classification: Classification) -> Iterable[str]:
    """Yield how this span was sampled, as stated by its attributes."""
    for key, value in classification.attributes:
        if key == SAMPLING_THRESHOLD:
            yield f"tracestate ot=th:{value} (keeps {probability(value):.4g} of all traces)"
        elif key == "sampling.priority":
            yield f"sampling.priority={value}"


def coverage(s: SpanState) -> dict[str, Any]:
    shapes = s.classifications.shape[: len(s.tree.spans)]
    counts = np.bincount(shapes, minlength=len(s.classifications.by_shape)).tolist()
    unresolved = np.bincount(
        s.classifications.shape[s.unresolved], minlength=len(s.classifications.by_shape)
    ).tolist()
    attributed: Counter[str] = Counter()
    unattributed: Counter[str] = Counter()
    sampling: Counter[str] = Counter()
    for classification, count, lost in zip(
        s.classifications.by_shape, counts, unresolved, strict=True
    ):
        unattributed[classification.scope or "(no scope)"] += (
            count if classification.role is Role.NONE else lost
        )
        attributed[classification.dialect] += (
            0 if classification.role is Role.NONE else count - lost
        )
        sampling.update(dict.fromkeys(_sampling(classification), count))
    known = s.start[s.start > 0]
    return {
        "spans": len(shapes),
        "traces": len(factorize(hash_rows(s.tree.trace[:, 0], s.tree.trace[:, 1]))[1]),
        "duplicates": s.tree.duplicates,
        "orphans": int(s.tree.orphan[: len(shapes)].sum()),
        "unresolved_peers": len(s.unresolved),
        "attributed": +attributed,
        "unattributed": +unattributed,
        "sampling": +sampling,
        "first_seen": int(known.min(initial=2**63 - 1)) if len(known) else 0,
        "last_seen": int(s.end.max(initial=0)),
        "parent_cycles": [
            (s.tree.trace[row].astype("<u8").tobytes(), s.tree.span[row].astype("<u8").tobytes())
            for row in s.tree.parent_cycles
        ],
    }
