"""Selection of evidence spans, and confidence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agentguard.compute.arrays import hash_rows
from agentguard.discovery.partial import I64, Calls, Proof
from agentguard.graph.model import Evidence, EvidenceReason
from agentguard.graph.significance import wilson

SAMPLES = 3
"""Sampled spans per claim, in addition to the newest, the slowest and a failed one."""

_CEILING = {
    Proof.ATTRIBUTE: 1.0,
    Proof.STRUCTURE: 0.95,
    Proof.LINK: 0.95,
    Proof.SIBLING: 0.85,
    Proof.MATCH: 0.8,
    Proof.TEXT: 0.7,
    Proof.SHAPE: 0.6,
    Proof.SERVICE_NAME: 0.5,
    Proof.ORDER: 0.4,
}
"""Maximum confidence of each kind of evidence."""


def confidence(proof: Proof, count: int) -> float:
    """Return the proof's ceiling times the Wilson lower bound (95 %) of `count` of `count`."""
    return round(_CEILING[proof] * wilson(count, count)[0], 4)


def evidence(
    calls: Calls, labels: Mapping[bytes, str], rows: I64, groups: I64, count: int
) -> list[tuple[Evidence, ...]]:
    """Return evidence for each of `count` groups of rows: failed, slowest, newest and a sample.

    The sample is the bottom-k of a hash of the ids, so it depends neither on the order of spans nor
    on how they were partitioned.
    """
    hashes = hash_rows(calls.trace[rows, 0], calls.trace[rows, 1], calls.span[rows])
    failed = calls.failed[rows]
    picks: list[dict[int, EvidenceReason]] = [{} for _ in range(count)]
    chosen = [
        (EvidenceReason.FAILED, _lowest(groups, hashes, np.flatnonzero(failed), 1)),
        (
            EvidenceReason.SLOWEST,
            _lowest(groups, hashes, _greatest(groups, calls.duration[rows], count), 1),
        ),
        (
            EvidenceReason.NEWEST,
            _lowest(groups, hashes, _greatest(groups, calls.start[rows], count), 1),
        ),
        (
            EvidenceReason.SAMPLE,
            _lowest(groups, hashes, _candidates(groups, hashes, count), SAMPLES),
        ),
    ]
    for reason, positions in chosen:
        for position in positions.tolist():
            picks[int(groups[position])].setdefault(int(rows[position]), reason)
    return [_evidence_spans(calls, labels, pick) for pick in picks]


def _lowest(groups: I64, hashes: NDArray[np.uint64], positions: I64, most: int) -> I64:
    """Return the positions with the `most` lowest hashes of each group."""
    if most == 1:
        least = np.full(int(groups.max(initial=-1)) + 1, np.iinfo(np.uint64).max)
        np.minimum.at(least, groups[positions], hashes[positions])
        positions = positions[hashes[positions] == least[groups[positions]]]
    order = positions[np.lexsort((hashes[positions], groups[positions]))]
    ordered = groups[order]
    starts = np.ones(len(ordered), np.bool_)
    starts[1:] = ordered[1:] != ordered[:-1]
    rank = np.arange(len(ordered)) - np.maximum.accumulate(
        np.where(starts, np.arange(len(ordered)), 0)
    )
    return order[rank < most]


def _greatest(groups: I64, values: I64, count: int) -> I64:
    """Return the positions with the greatest value of their group."""
    best = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(best, groups, values)
    return np.flatnonzero(values == best[groups])


def _candidates(groups: I64, hashes: NDArray[np.uint64], count: int) -> I64:
    """Return positions that include the lowest hashes of every group.

    Large groups are prefiltered by a bound that leaves enough candidates.
    """
    sizes = np.bincount(groups, minlength=count)
    bound = np.where(sizes > 256, 64 / np.maximum(sizes, 1), 1.0)
    low = hashes.astype(np.float64) <= bound[groups] * 2.0**64
    enough = np.bincount(groups[low], minlength=count) >= np.minimum(sizes, SAMPLES)
    return np.flatnonzero(low | ~enough[groups])


def _evidence_spans(
    calls: Calls, labels: Mapping[bytes, str], picks: Mapping[int, EvidenceReason]
) -> tuple[Evidence, ...]:
    found: dict[tuple[str, str], Evidence] = {}
    for row, reason in picks.items():
        trace, span = ids_of(calls, labels, row)
        found.setdefault((trace, span), Evidence(trace, span, int(calls.start[row]), reason))
    return tuple(found.values())


def ids_of(calls: Calls, labels: Mapping[bytes, str], row: int) -> tuple[str, str]:
    """Return a row's trace and span id: in hex, or as written."""
    return written_ids(calls.trace[row], calls.span[row], labels)


def written_ids(
    trace: NDArray[np.uint64], span: np.uint64, labels: Mapping[bytes, str]
) -> tuple[str, str]:
    """Return a trace id (2 words) and a span id: in hex, or as written."""
    own, within = trace.astype("<u8").tobytes(), np.uint64(span).astype("<u8").tobytes()
    return labels.get(own, own.hex()), labels.get(own + within, within.hex())
