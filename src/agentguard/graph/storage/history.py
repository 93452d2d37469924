"""When components and workflows were first and last seen, and on which days anything was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.kernel.clock import NS_PER_DAY

KEPT_DAYS = 366
"""What was last seen earlier is forgotten."""


@dataclass(frozen=True, slots=True)
class ComponentHistory:
    """One component or workflow, as last seen; times as in graph.model, cut to microseconds."""

    id: str
    kind: ComponentKind
    name: str
    environment: str | None
    spellings: tuple[str, ...]
    first_seen: int
    last_seen: int


@dataclass(frozen=True, slots=True)
class History:
    """All identified components and workflows seen at a known time."""

    components: tuple[ComponentHistory, ...] = ()
    """By id."""
    days: tuple[int, ...] = ()
    """Days since the epoch (UTC) on which anything was seen, ascending; others are unknown."""


def history_of(graph: Graph, runs: Runs) -> History:
    """Return what this graph and its runs add to the history."""
    seen = {
        w.id: ComponentHistory(
            w.id, ComponentKind.WORKFLOW, w.name, None, (), w.first_seen, w.last_seen
        )
        for w in graph.workflows
    }
    for c in graph.components:
        if c.identified:
            seen[c.id] = ComponentHistory(
                c.id, c.kind, c.name, c.environment, c.spellings, c.first_seen, c.last_seen
            )
    known = tuple(seen[id_] for id_ in sorted(seen) if seen[id_].last_seen > 0)
    return History(known, _days(known, runs))


def _days(seen: Iterable[ComponentHistory], runs: Runs) -> tuple[int, ...]:
    starts = runs.runs["start"].to_numpy()
    times = [time for s in seen for time in (s.first_seen, s.last_seen)]
    days = np.unique(np.concatenate([starts, np.array(times, dtype=np.int64)]) // NS_PER_DAY)
    return tuple(int(day) for day in days if day > 0)
