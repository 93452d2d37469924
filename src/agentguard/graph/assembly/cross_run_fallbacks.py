"""What stood in for a failure that its own caller's run did not survive.

The work done again on another model, or by another agent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.partial import I64, Mask
from agentguard.graph.assembly.trace_linking import TYPES, LinkedCalls

Pairs = dict[tuple[int, int, int], list[tuple[int, int]]]
"""(owner, primary, secondary), component codes → rows (failed call, call that stood in for it)."""

SHARE_AFTER_FAILURE = 0.5
"""A callee is a fallback if at least this share of its caller's runs that use it do so after a
failure of the primary: one that is mostly used without any failure is an ordinary callee that
happened to come next.
"""
AGREEING_RUNS = 2
"""The fewest sequences that count where only their order speaks: one may be chance."""


def cross_run_fallbacks(found: LinkedCalls, rescued: Mask) -> Pairs:
    """Find a caller's failed run on one model whose next run, in the same workflow, used another
    and not that one.

    The owner is the caller. `rescued` (n,): calls that the caller's own run made good.
    """
    pairs: Pairs = defaultdict(list)
    runs = _CallerRuns(found)
    for row in runs.broken(rescued):
        then = runs.stand_in(row)
        if then >= 0:
            key = (
                int(found.component[found.calls.source[row]]),
                int(found.component[row]),
                int(found.component[then]),
            )
            pairs[key].append((row, then))
    return {key: rows for key, rows in pairs.items() if runs.agree(key, rows)}


def stand_ins(found: LinkedCalls) -> Pairs:
    """Find agents that a failing agent's run passed its work on to, and that were only ever called
    so.

    By message or handoff: where the failing run waits for the answer and fails all the same,
    nothing stood in for it.
    """
    calls = found.calls
    passes_on = np.array([not t.returns for t in TYPES] + [False], np.bool_)[calls.type]
    agent = np.array([i.kind is ComponentKind.AGENT for i in found.identities], np.bool_)[
        found.component
    ]
    rows = np.flatnonzero(passes_on & agent & calls.ran & (calls.source >= 0))
    rows = rows[agent[calls.source[rows]]]
    after: Pairs = defaultdict(list)
    never: set[tuple[int, int]] = set()
    for row in rows.tolist():
        giver = int(calls.source[row])
        primary, secondary = int(found.component[giver]), int(found.component[row])
        if not calls.failed[giver] or primary == secondary:
            never.add((primary, secondary))
        elif calls.source[giver] >= 0:
            after[int(found.component[calls.source[giver]]), primary, secondary].append(
                (giver, row)
            )
    return {
        key: pairs for key, pairs in after.items() if key[1:] not in never and key[0] not in key[1:]
    }


class _CallerRuns:
    """The runs of every caller of a model, by workflow, in order of their start."""

    def __init__(self, found: LinkedCalls) -> None:
        calls = found.calls
        self._found, self._calls = found, calls
        self._model = np.array([i.kind is ComponentKind.MODEL for i in found.identities], np.bool_)[
            found.component
        ]
        rows = np.flatnonzero(self._model & calls.ran & (calls.source >= 0) & (found.run >= 0))
        rows = rows[np.lexsort((calls.span[rows], calls.asked[rows], calls.source[rows]))]
        self._uses: dict[int, list[int]] = defaultdict(list)
        for row, source in zip(rows.tolist(), calls.source[rows].tolist(), strict=True):
            self._uses[source].append(row)
        self._order: dict[tuple[int, int], list[int]] = defaultdict(list)
        for caller in _by_start(found, np.array(sorted(self._uses), np.int64)):
            self._order[self._line(caller)].append(caller)
        self._place = {
            caller: place for line in self._order.values() for place, caller in enumerate(line)
        }

    def broken(self, rescued: Mask) -> Iterator[int]:
        """Yield the failed model calls that failed their caller's run, one for each run and model."""
        seen: set[tuple[int, int]] = set()
        for caller, rows in self._uses.items():
            for row in rows if self._calls.failed[caller] else ():
                key = (caller, int(self._found.component[row]))
                if self._calls.failed[row] and not rescued[row] and key not in seen:
                    seen.add(key)
                    yield row

    def stand_in(self, row: int) -> int:
        """Return the call by which the caller's next run used another model and not this one.

        -1 where there is none.
        """
        caller = int(self._calls.source[row])
        line, end = (
            self._order[self._line(caller)],
            int(self._calls.start[caller] + max(0, int(self._calls.duration[caller]))),
        )
        then = next(
            (c for c in line[self._place[caller] + 1 :] if self._calls.start[c] >= end), None
        )
        if then is None or any(
            self._found.component[r] == self._found.component[row] for r in self._uses[then]
        ):
            return -1
        return self._uses[then][0]

    def agree(self, key: tuple[int, int, int], pairs: list[tuple[int, int]]) -> bool:
        """Say whether enough of the caller's runs on the secondary follow such a failure for this
        to be no chance.
        """
        within = any(self._found.run[row] == self._found.run[then] for row, then in pairs)
        uses = sum(
            any(self._found.component[r] == key[2] for r in rows)
            for caller, rows in self._uses.items()
            if self._found.component[caller] == key[0]
        )
        return len(pairs) >= SHARE_AFTER_FAILURE * uses and (within or len(pairs) >= AGREEING_RUNS)

    def _line(self, caller: int) -> tuple[int, int]:
        return int(self._calls.entry[self._found.run[caller]]), int(self._found.component[caller])


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
