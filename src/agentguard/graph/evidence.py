"""Which spans are kept as evidence, and how sure they make us."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from agentguard.discovery.partial import I64, Calls, Proof
from agentguard.traces.ids import mix
from agentguard.graph.model import Evidence, EvidenceReason

SAMPLES = 3
"""Spans sampled for each claim, beside the newest, the slowest and a failed one."""

_Z = 1.959964
"""Two-sided 95 %."""
_CEILING = {
    Proof.ATTRIBUTE: 1.0,
    Proof.STRUCTURE: 0.95,
    Proof.LINK: 0.95,
    Proof.SIBLING: 0.85,
    Proof.TEXT: 0.7,
    Proof.SERVICE_NAME: 0.5,
}
"""How far the best of each kind of evidence can carry."""


def confidence(proof: Proof, sightings: int) -> float:
    """Return the kind's ceiling times the Wilson lower bound (95 %) of `sightings` agreeing out of as many."""
    return round(_CEILING[proof] * wilson_lower(sightings, sightings), 4)


def wilson_lower(successes: int, trials: int) -> float:
    """Return the lower end of the Wilson score interval at 95 % (Wilson 1927); 0 without trials."""
    if trials == 0:
        return 0.0
    share, z2 = successes / trials, _Z * _Z
    centre = share + z2 / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return (centre - spread) / (1 + z2 / trials)


def evidence(calls: Calls, labels: Mapping[bytes, str], rows: I64, groups: I64, count: int) -> list[tuple[Evidence, ...]]:
    """Return evidence for each of `count` groups of rows: a failed one, the slowest, the newest, and a sample.

    The sample is a bottom-k of a hash of the ids, so it depends neither on order nor on how the spans were split.
    """
    hashes = mix(calls.trace[rows, 0], calls.trace[rows, 1], calls.span[rows])
    failed = calls.failed[rows]
    picks: list[dict[int, EvidenceReason]] = [{} for _ in range(count)]
    chosen = [
        (EvidenceReason.FAILED, _first(groups[failed], np.flatnonzero(failed), [hashes[failed]], 1)),
        (EvidenceReason.SLOWEST, _first(groups, np.arange(len(rows)), [hashes, -calls.duration[rows]], 1)),
        (EvidenceReason.NEWEST, _first(groups, np.arange(len(rows)), [hashes, -calls.start[rows]], 1)),
        (EvidenceReason.SAMPLE, _first(groups, np.arange(len(rows)), [hashes], SAMPLES)),
    ]
    for reason, positions in chosen:
        for position in positions.tolist():
            picks[int(groups[position])].setdefault(int(rows[position]), reason)
    return [_distinct(calls, labels, pick) for pick in picks]


def _first(groups: I64, positions: I64, keys: list[NDArray[np.uint64] | I64], most: int) -> I64:
    """Return the first `most` positions of each group in the order of the keys (last key first, as np.lexsort has it)."""
    order = np.lexsort((*keys, groups))
    ordered = groups[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.bool_)
    rank = np.arange(len(ordered)) - np.maximum.accumulate(np.where(starts, np.arange(len(ordered)), 0))
    return positions[order[rank < most]]


def _distinct(calls: Calls, labels: Mapping[bytes, str], picks: Mapping[int, EvidenceReason]) -> tuple[Evidence, ...]:
    found: dict[tuple[str, str], Evidence] = {}
    for row, reason in picks.items():
        trace, span = ids_of(calls, labels, row)
        found.setdefault((trace, span), Evidence(trace, span, int(calls.start[row]), reason))
    return tuple(found.values())


def ids_of(calls: Calls, labels: Mapping[bytes, str], row: int) -> tuple[str, str]:
    """Return a row's trace and span id: hex, or as written."""
    trace = calls.trace[row].astype("<u8").tobytes()
    span = np.uint64(calls.span[row]).astype("<u8").tobytes()
    return labels.get(trace, trace.hex()), labels.get(trace + span, span.hex())
