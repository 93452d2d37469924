"""Which failure, tried on purpose, would tell most about a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agentguard.simulation.beliefs import Basis, Beliefs
from agentguard.simulation.bits import DRAWS
from agentguard.simulation.model import GameDay
from agentguard.simulation.recording import Recording
from agentguard.simulation.replay import Decided

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    found = [
        _game_day(r, beliefs, int(d), int(n), (chance, lost[:DRAWS]))
        for d, n, chance in zip(dependency, calls, chances, strict=True)
    ]
    return tuple(sorted(found, key=lambda g: (-g.narrows, -g.calls, g.source, g.target)))


def _game_day(
    r: Recording,
    beliefs: Beliefs,
    dependency: int,
    calls: int,
    draws: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> GameDay:
    chance, lost = draws
    survived, not_survived = lost[chance == 1], lost[chance == 0]
    d = r.dependencies
    return GameDay(
        source=r.components[int(d.source[dependency])],
        target=r.components[int(d.target[dependency])],
        calls=calls,
        survives=float(beliefs.survival.mean[dependency]),
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


def _mean(draws: NDArray[np.int64]) -> float | None:
    return float(draws.mean()) if len(draws) else None
