"""Which failure, tried on purpose, would tell most about a scenario."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agentguard.simulation.beliefs import Basis, Beliefs, Rescue
from agentguard.simulation.bits import DRAWS
from agentguard.simulation.model import GameDay
from agentguard.simulation.recording import Recording
from agentguard.simulation.replay import Decided

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUARTERS = 4
_LEAST = 1e-9
"""Shares of variance below this are rounding."""


def game_days(
    r: Recording, beliefs: Beliefs, decided: Decided, lost: NDArray[np.int64]
) -> tuple[GameDay, ...]:
    """Return the dependencies of one scenario that were never seen failing, most telling first.

    `lost` are the runs lost in each draw, as believed. A dependency explains the variance between
    the draws in which its caller survives and the others (the correlation ratio).
    """
    chosen = decided.dependency >= 0
    dependency, calls = decided.dependency[chosen], decided.calls[chosen]
    unknown = beliefs.basis[dependency] == Basis.NEVER_SEEN
    dependency, calls = dependency[unknown], calls[unknown]
    chances = beliefs.survival_chances(dependency)
    survives = beliefs.survival.take(dependency).mean
    found = [
        _game_day(r, (int(d), int(n), float(mean)), (chance, lost[:DRAWS]))
        for d, n, mean, chance in zip(dependency, calls, survives, chances, strict=True)
    ]
    return tuple(sorted(found, key=lambda g: (-g.narrows, -g.calls, g.source, g.target)))


def _game_day(
    r: Recording,
    of: tuple[int, int, float],
    draws: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> GameDay:
    """Return a game day; `of`: dependency, calls that it decides, chance that it is survived."""
    (dependency, calls, survives), (chance, lost) = of, draws
    survived, not_survived = lost[chance == 1], lost[chance == 0]
    d = r.dependencies
    return GameDay(
        source=r.components[int(d.source[dependency])],
        target=r.components[int(d.target[dependency])],
        calls=calls,
        survives=survives,
        runs_lost_if_survived=_mean(survived),
        runs_lost_if_not=_mean(not_survived),
        narrows=explained(lost, [survived, not_survived, lost[(chance > 0) & (chance < 1)]]),
    )


def explained(all_draws: NDArray[np.int64], groups: list[NDArray[np.int64]]) -> float:
    """Return the share of the variance that lies between the groups, 0 to 1."""
    total = float(all_draws.var()) * len(all_draws)
    if total <= 0:
        return 0.0
    between = sum(len(g) * (g.mean() - all_draws.mean()) ** 2 for g in groups if len(g))
    share = float(between) / total
    return 0.0 if share < _LEAST else min(1.0, share)


def standby_days(
    r: Recording,
    beliefs: Beliefs,
    failed: Collection[int],
    lost: NDArray[np.int64],
    lost_if: Callable[[int, float], float],
) -> tuple[GameDay, ...]:
    """Return the declared standbys of failed components that were never seen to take over.

    `lost_if` returns the runs lost if one, by number, takes over with this chance.
    """
    found: dict[tuple[str, str], list[Rescue]] = {}
    for each in (e for group in beliefs.rescues for e in group):
        s = each.secondary
        if not s.tried and s.number not in failed and r.number[s.primary] in failed:
            found.setdefault((s.primary, s.secondary), []).append(each)
    return tuple(_standby_day(r, beliefs, each, lost, lost_if) for _, each in sorted(found.items()))


def _standby_day(
    r: Recording,
    beliefs: Beliefs,
    each: Sequence[Rescue],
    lost: NDArray[np.int64],
    lost_if: Callable[[int, float], float],
) -> GameDay:
    first, s = each[0], each[0].secondary
    order = np.argsort(beliefs.success(first), kind="stable")
    quarters = np.array_split(lost[:DRAWS][order], _QUARTERS)
    return GameDay(
        source=s.owner,
        target=s.primary,
        calls=len(r.rows_of(r.number[s.primary])),
        survives=first.a / (first.a + first.b),
        runs_lost_if_survived=lost_if(s.number, 1.0),
        runs_lost_if_not=lost_if(s.number, 0.0),
        narrows=explained(lost[:DRAWS], quarters),
        standby=s.secondary,
    )


def _mean(draws: NDArray[np.int64]) -> float | None:
    return float(draws.mean()) if len(draws) else None
