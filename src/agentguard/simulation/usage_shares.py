"""Shares of recorded runs in which callers and workflows use each callee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agentguard.discovery.kinds import DependencyType
from agentguard.graph.runs import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shares: TypeAlias = Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class UsageShares:
    """Shares of runs, 0 to 1; unused pairs have no entry."""

    by_caller: Shares
    """(caller, callee): share of the caller's runs with calls that are not fallbacks."""
    by_root_component: Shares
    """(workflow, callee): share of the workflow's runs whose root component calls the callee."""
    by_workflow: Shares
    """(workflow, callee): share of the workflow's runs with a handoff or message to the callee."""


def usage_shares(runs: Runs | None) -> UsageShares | None:
    """Return the shares, or None without recorded runs; takes a few passes over the calls."""
    if runs is None or not runs.runs.num_rows or not runs.calls.num_rows:
        return None
    calls = runs.calls
    source, target, kind = (_Texts(calls.column(name)) for name in ("source", "target", "type"))
    workflow = _Texts(runs.runs.column("workflow"))
    run, parent, rescued_by = (
        np.asarray(calls.column(name), dtype=np.int64) for name in ("run", "parent", "rescued_by")
    )
    own = np.ones(len(run), dtype=np.bool_)
    replaced = np.flatnonzero(rescued_by >= 0)
    own[rescued_by[replaced]] = target.codes[rescued_by[replaced]] == target.codes[replaced]
    under_entry = own & (parent >= 0) & (parent[parent] < 0)
    handed_over = own & ~kind.among({t.value for t in DependencyType if t.returns}) & (parent >= 0)
    took_part = _runs_by(target.codes, run)
    seen = np.bincount(workflow.codes, minlength=len(workflow.names))
    return UsageShares(
        by_caller=_shares(
            source,
            target,
            own & (parent >= 0),
            run,
            {target.names[t]: n for t, n in took_part.items()},
        ),
        by_root_component=_by_workflow(workflow, target, under_entry, run, seen),
        by_workflow=_by_workflow(workflow, target, handed_over, run, seen),
    )


class _Texts:
    """A text column as codes; -1 for null."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
        whole = encoded.unify_dictionaries().combine_chunks()
        array = whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
        self.names: list[str] = array.dictionary.to_pylist()
        self.codes: NDArray[np.int64] = np.asarray(array.indices.fill_null(-1), dtype=np.int64)

    def among(self, texts: set[str]) -> NDArray[np.bool_]:
        """Return which rows contain one of these texts."""
        known = np.array([name in texts for name in self.names] + [False], dtype=np.bool_)
        return known[self.codes]


def _runs_by(codes: NDArray[np.int64], run: NDArray[np.int64]) -> dict[int, int]:
    """Count distinct runs by code.

    Sorting a million pairs is several times faster than NumPy's hashing `unique`.
    """
    runs = int(run.max(initial=0)) + 1
    pairs = np.sort(codes * runs + run)
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    starts = np.flatnonzero(np.diff(pairs // runs, prepend=-1))
    return dict(
        zip(
            (pairs[starts] // runs).tolist(),
            np.diff(starts, append=len(pairs)).tolist(),
            strict=True,
        )
    )


def _shares(
    source: _Texts,
    target: _Texts,
    chosen: NDArray[np.bool_],
    run: NDArray[np.int64],
    seen: dict[str, int],
) -> Shares:
    size = max(1, len(target.names))
    counts = _runs_by(
        (source.codes * size + target.codes)[chosen & (source.codes >= 0)],
        run[chosen & (source.codes >= 0)],
    )
    pairs = {(source.names[key // size], target.names[key % size]): n for key, n in counts.items()}
    return {pair: n / seen[pair[0]] for pair, n in pairs.items() if pair[0] in seen}


def _by_workflow(
    workflow: _Texts,
    target: _Texts,
    chosen: NDArray[np.bool_],
    run: NDArray[np.int64],
    seen: NDArray[np.int64],
) -> Shares:
    size = max(1, len(target.names))
    of_run = workflow.codes[run[chosen]]
    counts = _runs_by(of_run * size + target.codes[chosen], run[chosen])
    return {
        (workflow.names[key // size], target.names[key % size]): n / int(seen[key // size])
        for key, n in counts.items()
    }
