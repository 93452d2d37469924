"""Does a caller survive the failure of a callee: what was seen of it, and what is likely a priori.

Whether a caller survives is a property of its code: it handles the failure or it does not. In the
recordings that the prior comes from, no dependency was survived at some times and not at others.
One unknown per dependency therefore has three possible states: `stops` (the caller fails with the
callee), `survives`, and, rarely, `varies` (any share in between).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.simulation.bits import DRAWS, stratified, stratified_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SALT, _SHARE_SALT = 1, 7
_GRID = (np.arange(256) + 0.5) / 256
_LOG_CELL = -math.log(256)
_ROWS = 4096


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
    graph_strengths: tuple[tuple[float, float], ...]
    """How many of a graph's own dependencies the shares of the recordings are worth: what may be,
    and how probable that is after the recordings.
    """
    exception: float
    """Chance that a single failure ends otherwise than its dependency's state says."""
    varies: float
    """Share of dependencies that are neither always survived nor never."""
    rescue: tuple[float, float]
    """Of a fallback's success rate: Beta distribution, in successes and failures."""
    retry: tuple[float, float]
    """The same of a retry's."""
    spare: Mapping[str, float]
    """By kind of callee, the share of dependencies that have a fallback."""

    def survived(self, kind: str, *, served: bool, own: Tally | None = None) -> float:
        """Return how likely the failure of a callee is survived, before it was seen.

        `own`: of how many other dependencies of this kind in the same graph it was. One code base
        tends to treat them alike.
        """
        a, b, weight = self.share(kind, served=served, own=own or Tally()).T
        return float((weight * a / (a + b)).sum())

    def share(self, kind: str, *, served: bool, own: Tally) -> NDArray[np.float64]:
        """Return (strengths, 3): the share survived in a graph, after its `own`.

        A mixture of Beta distributions (a, b, weight): one for each strength, which is the more
        probable the better it foretold `own`.
        """
        share = _shrunken(self.kinds.get(kind, Tally()), self.overall, self.kind_strength)
        if served:
            share = _shrunken(self.served.get(kind, Tally()), share, self.served_strength)
        strength, weight = np.array(self.graph_strengths).T
        before = np.stack([strength * share, strength * (1 - share)])
        after = before + np.array([[own.survived], [own.not_survived]])
        foretold = np.array([_log_ratio(*pair) for pair in zip(before.T, after.T, strict=True)])
        weight = weight * np.exp(foretold - foretold.max())
        return np.stack([*after, weight / weight.sum()], axis=1)


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
        graph_strengths=tuple((s, w) for s, w in found["graph_strengths"]),
        exception=found["exception"],
        varies=found["varies"],
        rescue=(found["rescue"]["successes"], found["rescue"]["failures"]),
        retry=(found["retry"]["successes"], found["retry"]["failures"]),
        spare=found["spare"],
    )


@dataclass(frozen=True, slots=True)
class Posterior:
    """Beliefs about n dependencies.

    Which share of a graph's dependencies is survived is one unknown per kind, which all of them
    have in common: if one turns out to stop its caller, the others are likelier to do so too.
    """

    cells: U64
    """(n): dependencies with the same number have the share in common."""
    share: NDArray[np.float64]
    """(n, strengths, 3): this share, see Prior.share."""
    spare: NDArray[np.float64]
    """(n): chance of a fallback that was never seen."""
    absorbed: NDArray[np.float64]
    propagated: NDArray[np.float64]
    """(n): failures that were seen, survived and not survived."""
    declared: NDArray[np.int64]
    """(n): what the catalog says: 1 it is survived, 0 it is not; -1: nothing."""
    exception: float
    varies: float
    """See Prior."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Return the probability that the next failure is survived."""
        found = np.empty(len(self.cells))
        quantiles = (np.arange(DRAWS) + 0.5) / DRAWS
        within = (1 + self.absorbed) / (2 + self.absorbed + self.propagated)
        for part in _parts(len(found)):
            rows = self.take(part)
            stops, survives = rows.states(np.broadcast_to(quantiles, (len(part), DRAWS)))
            between = (1 - stops - survives) * within[part, None]
            found[part] = (survives + between).mean(axis=1)
        return found

    def take(self, rows: NDArray[np.int64]) -> Posterior:
        return replace(
            self,
            cells=self.cells[rows],
            share=self.share[rows],
            spare=self.spare[rows],
            absorbed=self.absorbed[rows],
            propagated=self.propagated[rows],
            declared=self.declared[rows],
        )

    def chances(self, keys: U64, seed: int) -> NDArray[np.float64]:
        """Return (n, draws): the chance to survive in each draw from these beliefs.

        A key stands for its dependency in every graph.
        """
        found = np.empty((len(keys), DRAWS))
        for part in _parts(len(keys)):
            found[part] = _chances(self.take(part), keys[part], seed)
        return found

    def states(
        self, quantiles: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (n, m) probabilities of stops and survives, at (n, m) quantiles of the shares."""
        survived = self._shares(quantiles)
        likely = self._likelihoods()
        stops = (1 - self.varies) * (1 - survived) * likely[0]
        survives = (1 - self.varies) * survived * likely[1]
        total = stops + survives + self.varies * likely[2]
        rescued = self.spare[:, None] * stops
        said = self.declared[:, None]
        return (
            np.where(said < 0, (stops - rescued) / total, said == 0),
            np.where(said < 0, (survives + rescued) / total, said == 1),
        )

    def _shares(self, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n, m) quantiles of the shares; each cell is computed once."""
        _, first, place = np.unique(self.cells, return_index=True, return_inverse=True)
        a, b, weight = np.moveaxis(self.share[first], -1, 0)
        parts = [_beta_mass(a[:, i : i + 1], b[:, i : i + 1]) for i in range(a.shape[1])]
        mass = sum(
            weight[:, i, None] * p / p.sum(axis=1, keepdims=True) for i, p in enumerate(parts)
        )
        return _grid_quantiles(np.asarray(mass), quantiles, place)

    def _likelihoods(self) -> NDArray[np.float64]:
        """Return (3, n, 1): how likely what was seen is if it stops, survives, varies.

        In the state stops each failure is survived with the chance of an exception, in survives the
        other way round, in varies at an unknown rate (uniform, so that the chance of the counts is
        a Beta function). Relative to the largest of the three.
        """
        rare, common = math.log(self.exception), math.log1p(-self.exception)
        absorbed, propagated = self.absorbed, self.propagated
        logs = np.stack(
            [
                absorbed * rare + propagated * common,
                absorbed * common + propagated * rare,
                _log_beta(1 + absorbed, 1 + propagated),
            ]
        )
        found: NDArray[np.float64] = np.exp(logs - logs.max(axis=0))[:, :, None]
        return found


def _chances(beliefs: Posterior, keys: U64, seed: int) -> NDArray[np.float64]:
    distinct, place = np.unique(beliefs.cells, return_inverse=True)
    quantiles = stratified(distinct, seed, _SHARE_SALT)[place]
    u = stratified_within(keys, quantiles, seed, _SALT)
    stops, survives = beliefs.states(quantiles)
    between = (u >= stops) & (u < 1 - survives)
    found = (u >= 1 - survives).astype(np.float64)
    rows = np.flatnonzero(between.any(axis=1))
    width = np.maximum(1 - stops[rows] - survives[rows], 1e-12)
    within = np.clip((u[rows] - stops[rows]) / width, 0, 1)
    share = beta_quantiles(1 + beliefs.absorbed[rows], 1 + beliefs.propagated[rows], within)
    found[rows] = np.where(between[rows], share, found[rows])
    return found


def _parts(size: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows, few at a time, which bounds memory."""
    for first in range(0, size, _ROWS):
        yield np.arange(first, min(first + _ROWS, size))


def beta_quantiles(
    a: NDArray[np.float64], b: NDArray[np.float64], u: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, m) quantiles u of n Beta(a, b) distributions, to 1/256, by summing the density."""
    if not len(a):
        return np.zeros_like(u)
    return _grid_quantiles(_beta_mass(a[:, None], b[:, None]), u, np.arange(len(a)))


def _grid_quantiles(
    mass: NDArray[np.float64], u: NDArray[np.float64], place: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (n, m) quantiles u of the distribution, a row of (k, 256) `mass`, at each place."""
    below = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    row = place[:, None]
    flat = (below + np.arange(len(mass))[:, None]).ravel()
    found = np.searchsorted(flat, (u + row).ravel()).reshape(u.shape) - row * len(_GRID)
    quantiles: NDArray[np.float64] = _GRID[np.clip(found, 0, len(_GRID) - 1)]
    return quantiles


def _beta_mass(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 256) of (n, 1) parameters, relative to the largest.

    Below 1 the density is infinite at an end; the integral over the cell there is not.
    """
    logs = (a - 1) * np.log(_GRID) + (b - 1) * np.log1p(-_GRID)
    logs[:, :1] = np.where(a < 1, (a - 1) * _LOG_CELL - np.log(a), logs[:, :1])
    logs[:, -1:] = np.where(b < 1, (b - 1) * _LOG_CELL - np.log(b), logs[:, -1:])
    found: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True))
    return found


def _log_ratio(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Return the log of B(after) / B(before) of two pairs of parameters above 0."""
    return _lbeta(*after.tolist()) - _lbeta(*before.tolist())


def _lbeta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


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
