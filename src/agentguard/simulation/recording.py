"""Recorded runs as flat integer arrays, prepared for replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agentguard.discovery.kinds import DependencyType
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RETURNING = {t.value for t in DependencyType if t.returns}
_WATCHED = {t.value for t in DependencyType if t is not DependencyType.MESSAGING}
_MULTIPLIER = np.uint64(0x100000001B3)  # the FNV prime; odd, so its powers are never 0 mod 2^64


@dataclass(frozen=True, slots=True)
class Recording:
    """One row per call as in Runs.calls; components and workflows are numbered, -1 means none."""

    runs: Runs
    components: tuple[str, ...]
    workflows: tuple[str, ...]
    target: NDArray[np.int64]
    parent: NDArray[np.int64]
    run: NDArray[np.int64]
    depth: NDArray[np.int64]
    """Number of callers above; 0 for a run's entry."""
    failed: NDArray[np.bool_]
    returns: NDArray[np.bool_]
    """Whether a failure propagates to the caller (True for entries), otherwise to the run."""
    pair: NDArray[np.int64]
    """Index of the call's (owner, primary) in `pairs`; -1 if that caller has no recorded fallback,
    or already used it for this call.
    """
    pairs: tuple[tuple[int, int], ...]
    dependency: NDArray[np.int64]
    final: NDArray[np.int64]
    """By dependency: recorded failures without retry or fallback."""
    absorbed: NDArray[np.int64]
    """By dependency: how many of these the caller (after a handoff: the run) survived."""
    rescue_draw: NDArray[np.float64]
    absorb_draw: NDArray[np.float64]
    by_target: NDArray[np.int64]
    """Rows ordered by target."""
    target_start: NDArray[np.int64]
    """The rows of target t are by_target[target_start[t]:target_start[t + 1]]."""
    run_failed: NDArray[np.bool_]
    run_workflow: NDArray[np.int64]

    def rows_of(self, component: int) -> NDArray[np.int64]:
        """Return the rows that call this component."""
        return self.by_target[self.target_start[component] : self.target_start[component + 1]]


def recording(graph: Graph, runs: Runs, *, seed: int) -> Recording:
    """Prepare runs for replay in a few passes over the calls (a million in about a second).

    Whether a failing call is recovered or absorbed is drawn once per call from seed, trace id and
    span id, so the draw is the same in every scenario and row order. Absorption counts only
    failures without retry or fallback: the others say nothing about an outage, which retries do not
    end. It counts none after a message: a run that ended earlier cannot show whether the failure
    did harm.
    """
    calls = runs.calls
    components = tuple(
        sorted(
            {c.id for c in graph.components}
            | _distinct(calls, "source")
            | _distinct(calls, "target")
        )
    )
    workflows = tuple(sorted({w.id for w in graph.workflows} | _distinct(runs.runs, "workflow")))
    source, target = _numbers(calls, "source", components), _numbers(calls, "target", components)
    parent, run, failed = (
        _integers(calls, "parent"),
        _integers(calls, "run"),
        _booleans(calls, "failed"),
    )
    rescued_by = _integers(calls, "rescued_by")
    returns = _of_type(calls, _RETURNING) | (parent < 0)
    run_failed = _booleans(runs.runs, "failed")
    dependency = np.unique(_pack(source, target, returns, len(components)), return_inverse=True)[1]
    caller_failed = (
        np.where(returns & (parent >= 0), failed[parent], run_failed[run]) if len(run) else failed
    )
    final = failed & (rescued_by < 0) & (parent >= 0) & _of_type(calls, _WATCHED)
    pairs = _pairs(graph, components)
    fresh = _first_choices(target, rescued_by)
    spans = _hash(calls, "trace_id") * _MULTIPLIER + _hash(calls, "span_id")
    order = np.argsort(target, kind="stable")
    return Recording(
        runs=runs,
        components=components,
        workflows=workflows,
        target=target,
        parent=parent,
        run=run,
        depth=_depths(parent),
        failed=failed,
        returns=returns,
        pair=np.where(fresh, _pair_of(source, target, pairs, len(components)), -1),
        pairs=pairs,
        dependency=dependency,
        final=_count(dependency, final),
        absorbed=_count(dependency, final & ~caller_failed),
        rescue_draw=_uniform(spans, seed, 1),
        absorb_draw=_uniform(spans, seed, 2),
        by_target=order,
        target_start=np.searchsorted(target[order], np.arange(len(components) + 1)),
        run_failed=run_failed,
        run_workflow=_numbers(runs.runs, "workflow", workflows),
    )


def _column(table: pa.Table, name: str) -> pa.DictionaryArray:
    column = table.column(name)
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    chunks = encoded.unify_dictionaries().combine_chunks()
    return chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks


def _distinct(table: pa.Table, name: str) -> set[str]:
    return {text for text in _column(table, name).dictionary.to_pylist() if text is not None}


def _numbers(table: pa.Table, name: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    column = _column(table, name)
    number = {text: i for i, text in enumerate(names)}
    codes = np.array(
        [number.get(text, -1) for text in column.dictionary.to_pylist()] + [-1], dtype=np.int64
    )
    places: NDArray[np.int64] = np.asarray(column.indices.fill_null(-1), dtype=np.int64)
    return codes[places]


def _integers(table: pa.Table, name: str) -> NDArray[np.int64]:
    return np.asarray(table.column(name), dtype=np.int64)


def _booleans(table: pa.Table, name: str) -> NDArray[np.bool_]:
    return np.asarray(table.column(name), dtype=np.bool_)


def _of_type(calls: pa.Table, wanted: set[str]) -> NDArray[np.bool_]:
    types = tuple(sorted(_distinct(calls, "type")))
    known = np.array([t in wanted for t in types] + [True], dtype=np.bool_)
    return known[_numbers(calls, "type", types)]


def _pack(
    source: NDArray[np.int64], target: NDArray[np.int64], returns: NDArray[np.bool_], size: int
) -> NDArray[np.int64]:
    return ((source + 1) * size + target) * 2 + returns


def _count(group: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.bincount(group[chosen], minlength=int(group.max(initial=-1)) + 1).astype(np.int64)


def _pairs(graph: Graph, components: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    number = {text: i for i, text in enumerate(components)}
    return tuple(
        sorted(
            {
                (number[f.owner], number[f.primary])
                for f in graph.fallbacks
                if f.owner in number and f.primary in number
            }
        )
    )


def _pair_of(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    pairs: tuple[tuple[int, int], ...],
    size: int,
) -> NDArray[np.int64]:
    if not pairs:
        return np.full(len(target), -1, dtype=np.int64)
    keys = np.array([owner * size + primary for owner, primary in pairs], dtype=np.int64)
    wanted = source * size + target
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[place] == wanted) & (source >= 0), place, -1)


def _first_choices(target: NDArray[np.int64], rescued_by: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return False for calls that replace a failed call to another callee.

    Their caller has already used its fallback.
    """
    replaces = np.full(len(target), -1, dtype=np.int64)
    rescued = np.flatnonzero(rescued_by >= 0)
    replaces[rescued_by[rescued]] = rescued
    fresh = np.ones(len(target), dtype=np.bool_)
    rows, before = np.flatnonzero(replaces >= 0), replaces[replaces >= 0]
    while len(rows):
        same = target[before] == target[rows]
        fresh[rows[~same]] = False
        rows, before = rows[same], replaces[before[same]]
        rows, before = rows[before >= 0], before[before >= 0]
    return fresh


def _depths(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the callers of each row by pointer jumping, in log2(depth) passes."""
    above = np.where(parent >= 0, parent, np.arange(len(parent)))
    depth = (parent >= 0).astype(np.int64)
    while True:
        further = depth[above]
        if not further.any():
            return depth
        depth = depth + further
        above = above[above]


def _hash(table: pa.Table, name: str) -> NDArray[np.uint64]:
    """Return a polynomial hash of each text's bytes."""
    texts = table.column(name).cast(pa.large_string()).combine_chunks()
    arrays = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *map(_hash_array, arrays)])


def _hash_array(texts: pa.LargeStringArray) -> NDArray[np.uint64]:
    if not len(texts):
        return np.zeros(0, dtype=np.uint64)
    _, offsets_buffer, bytes_buffer = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[
        texts.offset : texts.offset + len(texts) + 1
    ]
    lengths = np.diff(offsets)
    hashes = lengths.astype(np.uint64)
    content = (
        np.frombuffer(bytes_buffer, dtype=np.uint8)
        if bytes_buffer is not None
        else np.zeros(0, dtype=np.uint8)
    )
    for place in range(int(lengths.max())):
        has = np.flatnonzero(lengths > place)
        hashes[has] = hashes[has] * _MULTIPLIER + content[offsets[has] + place]
    return hashes


def _uniform(hashes: NDArray[np.uint64], seed: int, salt: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) per hash.

    SplitMix64's finalizer (Steele, Lea, Flood 2014) over hash, seed and salt.
    """
    start = np.random.SeedSequence([seed, salt]).generate_state(1, np.uint64)[0]
    z = hashes ^ start
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    draws: NDArray[np.float64] = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return draws
