"""Game days over all single outages: which failure to try first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentguard.catalog.model import Catalog
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.engine import simulate
from agentguard.simulation.methods import recorded
from agentguard.simulation.model import GameDay, Method

MOST_OUTAGES = 200
_MOST_CALLS = 20_000_000
"""Limit of recorded calls times outages, which bounds the time. About so many took 16 CPU seconds
as 200 outages of 88,889 calls, and 23 as 22 outages of 888,889 (`benchmarks.generate`, seed 1).
"""
NO_RUNS = "No runs were recorded, so no outage can be replayed."
ALL_SEEN = "Every failure that decides about an outage was seen before."


@dataclass(frozen=True, slots=True)
class Narrowed:
    """One outage whose answer a game day would narrow."""

    component: str
    day: GameDay

    @property
    def runs_decided(self) -> float:
        """Return how many runs lie between both answers, expected; 0 where one was never drawn."""
        survived, not_survived = self.day.runs_lost_if_survived, self.day.runs_lost_if_not
        if survived is None or not_survived is None:
            return 0.0
        return abs(not_survived - survived)


@dataclass(frozen=True, slots=True)
class OutageGameDay:
    """A failure to try, with the outages about which it tells."""

    source: str
    target: str
    standby: str | None
    """As GameDay has them."""
    survives: float
    outages: tuple[Narrowed, ...]
    """By runs decided, most first."""

    @property
    def runs_decided(self) -> float:
        """Return the sum over its outages."""
        return sum(each.runs_decided for each in self.outages)


@dataclass(frozen=True, slots=True)
class OutageGameDays:
    """Game days for every single outage, those that decide about most runs first."""

    days: tuple[OutageGameDay, ...]
    outages: tuple[str, ...]
    """Components whose outage was simulated, the most invoked first."""
    components: int
    """In the graph."""
    reason: str | None
    """Why there are no game days."""


def outage_game_days(
    graph: Graph, runs: Runs | None, *, seed: int = 0, catalog: Catalog | None = None
) -> OutageGameDays:
    """Replay the outage of each component alone, and collect what was never seen failing.

    At most MOST_OUTAGES, and fewer where many calls are recorded: those of the most invoked
    components. Deterministic for a seed; CPU-bound, tens of seconds for large graphs.
    """
    total = len(graph.components)
    if runs is None or not recorded(runs):
        return OutageGameDays((), (), total, NO_RUNS)
    outages = _most_invoked(graph, _MOST_CALLS // runs.calls.num_rows)
    found: dict[tuple[str, str, str], list[Narrowed]] = {}
    for component in outages:
        result = simulate(
            graph, runs, [component], method=Method.REPLAY, seed=seed, catalog=catalog
        )
        for day in result.game_days:
            key = (day.source, day.target, day.standby or "")
            found.setdefault(key, []).append(Narrowed(component, day))
    days = _ranked(found)
    return OutageGameDays(days, outages, total, None if days else ALL_SEEN)


def _most_invoked(graph: Graph, at_most: int) -> tuple[str, ...]:
    """Return the ids of the most invoked components: 1 to MOST_OUTAGES."""
    ranked = sorted(graph.components, key=lambda c: (-c.invocations, c.id))
    return tuple(c.id for c in ranked if c.invocations)[: max(1, min(MOST_OUTAGES, at_most))]


def _ranked(found: Mapping[tuple[str, str, str], list[Narrowed]]) -> tuple[OutageGameDay, ...]:
    days = [
        OutageGameDay(
            source,
            target,
            standby or None,
            narrowed[0].day.survives,
            tuple(sorted(narrowed, key=lambda n: (-n.runs_decided, n.component))),
        )
        for (source, target, standby), narrowed in found.items()
    ]
    telling = [day for day in days if day.runs_decided]
    return tuple(sorted(telling, key=lambda d: (-d.runs_decided, d.source, d.target)))


def outage_game_days_document(found: OutageGameDays, seed: int) -> dict[str, Any]:
    """Return the document of `GET /api/game-days`, without the graph's origin."""
    return {
        "seed": seed,
        "components": found.components,
        "outages_simulated": len(found.outages),
        "game_days": [_day(day) for day in found.days],
        "reason": found.reason,
    }


def _day(day: OutageGameDay) -> dict[str, Any]:
    return {
        "source": day.source,
        "target": day.target,
        "standby": day.standby,
        "survives": day.survives,
        "runs_decided": day.runs_decided,
        "outages": [
            {
                "component": each.component,
                "runs_decided": each.runs_decided,
                "runs_lost_if_survived": each.day.runs_lost_if_survived,
                "runs_lost_if_not": each.day.runs_lost_if_not,
                "narrows": each.day.narrows,
            }
            for each in day.outages
        ],
    }
