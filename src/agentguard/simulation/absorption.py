"""Does a caller survive the failure of a callee: what was seen of it, and what is likely a priori.

Whether a caller survives is a property of its code: it handles the failure or it does not. In the
recordings that the prior comes from, no dependency was survived at some times and not at others.
One unknown per dependency therefore has three possible states: `stops` (the caller fails with the
callee), `survives`, and, rarely, `varies` (any share in between).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.simulation.bits import stratified

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SALT = 1
_GRID = (np.arange(256) + 0.5) / 256


@dataclass(frozen=True, slots=True)
class Prior:
    """Estimated over recordings by scripts/absorption_prior.py, which wrote the data file."""

    kinds: Mapping[str, Tally]
    """By kind of callee."""
    served: Mapping[str, Tally]
    """The part of these whose caller is a service or runs in one: see the function `served`."""
    overall: float
    """Share survived over the kinds, each counted alike."""
    kind_strength: float
    """How many dependencies of a kind the overall share is worth."""
    served_strength: float
    """How many dependencies of served callers their kind's share is worth."""
    graph_strength: float
    """How many of a graph's own dependencies the shares of the recordings are worth."""
    exception: float
    """Chance that a single failure ends otherwise than its dependency's state says."""
    varies: float
    """Share of dependencies that are neither always survived nor never."""
    rescue: tuple[float, float]
    """Of a fallback's success rate: Beta distribution, in successes and failures."""
    retry: tuple[float, float]
    """The same of a retry's."""

    def survived(self, kind: str, *, served: bool, own: Tally | None = None) -> float:
        """Return how likely the failure of a callee is survived, before it was seen.

        `own`: of how many other dependencies of this kind in the same graph it was. One code base
        tends to treat them alike.
        """
        share = _shrunken(self.kinds.get(kind, Tally()), self.overall, self.kind_strength)
        if served:
            share = _shrunken(self.served.get(kind, Tally()), share, self.served_strength)
        return _shrunken(own or Tally(), share, self.graph_strength)

    def weights(self, survived: float) -> tuple[float, float, float]:
        """Return the probabilities of the states stops, survives, varies."""
        certain = 1 - self.varies
        return certain * (1 - survived), certain * survived, self.varies


@dataclass(frozen=True, slots=True)
class Tally:
    """Dependencies that failed finally: how many were survived, and how many not."""

    survived: float = 0
    not_survived: float = 0


def _shrunken(tally: Tally, share: float, strength: float) -> float:
    total = tally.survived + tally.not_survived
    return (tally.survived + strength * share) / (total + strength)


def served(graph: Graph) -> frozenset[str]:
    """Return the services, and what runs in a service that takes part in calls itself.

    In the recordings, code behind a service answers a failure with a failure far more often than
    an agent in a process of its own, whose framework tells the model of a failed tool.
    """
    services = {c.id for c in graph.components if c.kind is ComponentKind.SERVICE}
    return frozenset(services | {h.component for h in graph.runs_in if h.host in services})


@cache
def packaged_prior() -> Prior:
    """Return the prior of the data file."""
    text = resources.files("agentguard.simulation").joinpath("absorption_prior.json").read_text()
    found = json.loads(text)
    return Prior(
        kinds={kind: Tally(**tally) for kind, tally in found["kinds"].items()},
        served={kind: Tally(**tally) for kind, tally in found["served"].items()},
        overall=found["overall"],
        kind_strength=found["strengths"]["kind"],
        served_strength=found["strengths"]["served"],
        graph_strength=found["strengths"]["graph"],
        exception=found["exception"],
        varies=found["varies"],
        rescue=(found["rescue"]["successes"], found["rescue"]["failures"]),
        retry=(found["retry"]["successes"], found["retry"]["failures"]),
    )


@dataclass(frozen=True, slots=True)
class Posterior:
    """Beliefs about dependencies, one row each."""

    stops: NDArray[np.float64]
    survives: NDArray[np.float64]
    """Probabilities of these states; the rest is `varies`."""
    absorbed: NDArray[np.float64]
    propagated: NDArray[np.float64]
    """What was seen; shares of earlier windows may be fractions."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Return the probability that the next failure is survived."""
        within = (1 + self.absorbed) / (2 + self.absorbed + self.propagated)
        return self.survives + (1 - self.stops - self.survives) * within

    def take(self, rows: NDArray[np.int64]) -> Posterior:
        return Posterior(
            self.stops[rows], self.survives[rows], self.absorbed[rows], self.propagated[rows]
        )

    def chances(self, keys: U64, seed: int) -> NDArray[np.float64]:
        """Return (dependencies, draws): the chance to survive in each draw from these beliefs.

        A key stands for its dependency in every graph.
        """
        u = stratified(keys, seed, _SALT)
        stops, survives = self.stops[:, None], self.survives[:, None]
        between = (u >= stops) & (u < 1 - survives)
        found = (u >= 1 - survives).astype(np.float64)
        rows = np.flatnonzero(between.any(axis=1))
        width = np.maximum(1 - stops[rows] - survives[rows], 1e-12)
        within = np.clip((u[rows] - stops[rows]) / width, 0, 1)
        share = beta_quantiles(1 + self.absorbed[rows], 1 + self.propagated[rows], within)
        found[rows] = np.where(between[rows], share, found[rows])
        return found


def posterior(
    weights: NDArray[np.float64],
    absorbed: NDArray[np.float64],
    propagated: NDArray[np.float64],
    exception: float,
) -> Posterior:
    """Return the beliefs after these failures; `weights` are (n, 3) prior probabilities.

    Likelihood: in the state stops each failure is survived with the chance of an exception, in
    survives the other way round, in varies at an unknown rate (uniform, so that the chance of the
    counts is a Beta function).
    """
    rare, common = np.log(exception), np.log1p(-exception)
    logs = np.log(weights) + np.stack(
        [
            absorbed * rare + propagated * common,
            absorbed * common + propagated * rare,
            _log_beta(1 + absorbed, 1 + propagated),
        ],
        axis=1,
    )
    odds = np.exp(logs - logs.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return Posterior(odds[:, 0], odds[:, 1], absorbed, propagated)


def beta_quantiles(
    a: NDArray[np.float64], b: NDArray[np.float64], u: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, m) quantiles u of n Beta(a, b) distributions, to 1/256, by summing the density."""
    if not len(a):
        return np.zeros_like(u)
    density = (a[:, None] - 1) * np.log(_GRID) + (b[:, None] - 1) * np.log1p(-_GRID)
    mass = np.exp(density - density.max(axis=1, keepdims=True))
    below = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    place = np.arange(len(a))[:, None]
    flat = (below + place).ravel()
    found = np.searchsorted(flat, (u + place).ravel()).reshape(u.shape) - place * len(_GRID)
    quantiles: NDArray[np.float64] = _GRID[np.clip(found, 0, len(_GRID) - 1)]
    return quantiles


def _log_beta(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return _log_gamma(a) + _log_gamma(b) - _log_gamma(a + b)


def _log_gamma(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log Γ(x) for x ≥ 1: Stirling's series after eight steps of the recurrence."""
    shifted, product = x + 8, np.zeros_like(x)
    for step in range(8):
        product += np.log(x + step)
    series = 1 / (12 * shifted) - 1 / (360 * shifted**3) + 1 / (1260 * shifted**5)
    whole = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * np.log(2 * np.pi)
    found: NDArray[np.float64] = whole + series - product
    return found
