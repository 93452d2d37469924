"""Fallbacks across runs: a failed run whose work another model or agent then took over."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from agentguard.discovery.kinds import TYPES, ComponentKind
from agentguard.discovery.partial import I64, Mask
from agentguard.graph.assembly.trace_linking import LinkedCalls

Pairs = dict[tuple[int, int, int], list[tuple[int, int]]]
"""(owner, primary, secondary) as component codes → rows (failed call, fallback call)."""

SHARE_AFTER_FAILURE = 0.5
"""Minimum share of its caller's runs in which a fallback follows a failure of the primary: a callee
that is mostly used without a failure is an ordinary callee.
"""
AGREEING_RUNS = 2
"""Minimum number of sequences if only their order is evidence, to exclude coincidence."""


def cross_run_fallbacks(found: LinkedCalls, recovered: Mask) -> Pairs:
    """Find failed runs on one model whose caller's next run used another model instead.

    Both runs belong to the same workflow; the owner is the caller. `recovered` (n,) excludes calls
    that were already recovered within their run.
    """
    pairs: Pairs = defaultdict(list)
    runs = _CallerRuns(found, _failing_callers(found, recovered))
    for row in runs.failing_calls(recovered):
        then = runs.next_run_fallback(row)
        if then >= 0:
            key = (
                int(found.component[found.calls.source[row]]),
                int(found.component[row]),
                int(found.component[then]),
            )
            pairs[key].append((row, then))
    return {key: rows for key, rows in pairs.items() if runs.agree(key, rows)}


def handed_over_fallbacks(found: LinkedCalls) -> Pairs:
    """Find agents that only receive work from failed runs of another agent.

    By message or handoff only: if the failing run waits for the answer and still fails, there was
    no fallback.
    """
    calls = found.calls
    one_way = np.array([not t.returns for t in TYPES] + [False], np.bool_)[calls.type]
    agent = np.array([i.kind is ComponentKind.AGENT for i in found.identities], np.bool_)[
        found.component
    ]
    rows = np.flatnonzero(one_way & agent & calls.ran & (calls.source >= 0))
    rows = rows[agent[calls.source[rows]]]
    after: Pairs = defaultdict(list)
    never: set[tuple[int, int]] = set()
    for row in rows.tolist():
        sender = int(calls.source[row])
        primary, secondary = int(found.component[sender]), int(found.component[row])
        if not calls.failed[sender] or primary == secondary:
            never.add((primary, secondary))
        elif calls.source[sender] >= 0:
            after[int(found.component[calls.source[sender]]), primary, secondary].append(
                (sender, row)
            )
    return {
        key: pairs for key, pairs in after.items() if key[1:] not in never and key[0] not in key[1:]
    }


class _CallerRuns:
    """The runs of model callers, by workflow, in order of start."""

    def __init__(self, found: LinkedCalls, callers: I64) -> None:
        """`callers` are the components whose runs matter."""
        calls = found.calls
        self._found, self._calls = found, calls
        self._uses = _uses(found, callers)
        self._order: dict[tuple[int, int], list[int]] = defaultdict(list)
        for caller in _by_start(found, np.array(sorted(self._uses), np.int64)):
            self._order[self._line(caller)].append(caller)
        self._place = {
            caller: place for line in self._order.values() for place, caller in enumerate(line)
        }
        self._starts = {key: _starts(found, line) for key, line in self._order.items()}
        self._runs_on = _runs_on(found, self._uses)

    def failing_calls(self, recovered: Mask) -> Iterator[int]:
        """Yield the failed model calls that failed their caller's run, one per run and model."""
        seen: set[tuple[int, int]] = set()
        for caller, rows in self._uses.items():
            for row in rows if self._calls.failed[caller] else ():
                key = (caller, int(self._found.component[row]))
                if self._calls.failed[row] and not recovered[row] and key not in seen:
                    seen.add(key)
                    yield row

    def next_run_fallback(self, row: int) -> int:
        """Return the first model call of the caller's next run, if that avoids the failed model.

        -1: there is none.
        """
        caller = int(self._calls.source[row])
        line, starts = self._order[self._line(caller)], self._starts[self._line(caller)]
        end = int(self._calls.start[caller] + max(0, int(self._calls.duration[caller])))
        place = bisect_left(starts, end, self._place[caller] + 1)
        then = line[place] if place < len(line) else None
        if then is None or any(
            self._found.component[r] == self._found.component[row] for r in self._uses[then]
        ):
            return -1
        return self._uses[then][0]

    def agree(self, key: tuple[int, int, int], pairs: list[tuple[int, int]]) -> bool:
        """Return whether enough of the caller's runs on the secondary follow such a failure."""
        within = any(self._found.run[row] == self._found.run[then] for row, then in pairs)
        uses = self._runs_on[key[0], key[2]]
        return len(pairs) >= SHARE_AFTER_FAILURE * uses and (within or len(pairs) >= AGREEING_RUNS)

    def _line(self, caller: int) -> tuple[int, int]:
        return int(self._calls.entry[self._found.run[caller]]), int(self._found.component[caller])


def _failing_callers(found: LinkedCalls, recovered: Mask) -> I64:
    """Return the components whose runs failed with a model call."""
    rows = _model_calls(found)
    caller = found.calls.source[rows]
    failing = found.calls.failed[rows] & found.calls.failed[caller] & ~recovered[rows]
    return np.unique(found.component[caller[failing]])


def _model_calls(found: LinkedCalls) -> I64:
    calls = found.calls
    return np.flatnonzero(_models(found) & calls.ran & (calls.source >= 0) & (found.run >= 0))


def _uses(found: LinkedCalls, callers: I64) -> dict[int, list[int]]:
    """Return the model calls of each of the callers' runs, in order of start."""
    calls, rows = found.calls, _model_calls(found)
    rows = rows[np.isin(found.component[calls.source[rows]], callers)]
    rows = rows[np.lexsort((calls.span[rows], calls.client_start[rows], calls.source[rows]))]
    uses: dict[int, list[int]] = defaultdict(list)
    for row, source in zip(rows.tolist(), calls.source[rows].tolist(), strict=True):
        uses[source].append(row)
    return uses


def _models(found: LinkedCalls) -> Mask:
    kinds = np.array([i.kind is ComponentKind.MODEL for i in found.identities], np.bool_)
    return np.asarray(kinds[found.component], np.bool_)


def _runs_on(found: LinkedCalls, uses: Mapping[int, list[int]]) -> Counter[tuple[int, int]]:
    """Return (caller's component, model) → the number of the caller's runs that use the model."""
    return Counter(
        (int(found.component[caller]), model)
        for caller, rows in uses.items()
        for model in set(found.component[rows].tolist())
    )


def _starts(found: LinkedCalls, line: list[int]) -> list[int]:
    return list(map(int, found.calls.start[np.array(line, np.int64)].tolist()))


def _by_start(found: LinkedCalls, rows: I64) -> list[int]:
    calls = found.calls
    return [
        int(r)
        for r in rows[
            np.lexsort(
                (calls.span[rows], calls.trace[rows, 1], calls.trace[rows, 0], calls.start[rows])
            )
        ]
    ]
