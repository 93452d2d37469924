"""Posterior samples of what is uncertain: survival, fallbacks and retries."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.graph.model import Graph
from agentguard.simulation.absorption import (
    Posterior,
    Prior,
    Tally,
    beta_quantiles,
    packaged_prior,
    served,
)
from agentguard.simulation.bits import DRAWS, planes, stratified
from agentguard.simulation.call_rows import text_hashes
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts
from agentguard.simulation.failures_by_hour import NONE_BEFORE, Before, failures_before
from agentguard.simulation.recording import Recording
from agentguard.simulation.rescues import Secondary

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FALLBACK_SALT, _RETRY_SALT = 2, 3
_OTHER = "external"

Counts = Mapping[tuple[str, str, bool], tuple[float, float]]
"""(source, target, returns) → failures survived and not survived."""


NO_CHANCES: Mapping[int, float] = MappingProxyType({})


class Basis(IntEnum):
    """What a belief rests on."""

    NEVER_SEEN = 0
    """Nothing but the kind of the callee."""
    SEEN = 1
    DECLARED = 2


@dataclass(frozen=True, slots=True)
class Rescue:
    """A fallback's success rate: a Beta distribution, and the hash that its draws depend on."""

    secondary: Secondary
    a: float
    b: float
    key: np.uint64


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Beliefs of a recording; rows as in `Recording.dependencies`, pairs as in its fallbacks."""

    survival: Posterior
    basis: NDArray[np.int64]
    keys: U64
    before: tuple[Before, ...]
    """What is known from before the window."""
    rescues: tuple[tuple[Rescue, ...], ...]
    attempts: NDArray[np.int64]
    """How often the caller repeats a failed call; 0 where that was not seen."""
    retry_a: NDArray[np.float64]
    retry_b: NDArray[np.float64]
    seed: int

    def survival_chances(self, dependencies: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (dependencies, draws)."""
        return self.survival.take(dependencies).chances(self.keys[dependencies], self.seed)

    def retry_planes(self, dependencies: NDArray[np.int64]) -> U64:
        """Return that one of the caller's retries succeeds, for `drawn`."""
        u = stratified(self.keys[dependencies], self.seed, _RETRY_SALT)
        chance = beta_quantiles(self.retry_a[dependencies], self.retry_b[dependencies], u)
        return planes(1 - (1 - chance) ** self.attempts[dependencies, None])

    def success(self, rescue: Rescue) -> NDArray[np.float64]:
        """Return (draws): that this fallback succeeds."""
        u = stratified(np.array([rescue.key], np.uint64), self.seed, _FALLBACK_SALT)
        return beta_quantiles(np.array([rescue.a]), np.array([rescue.b]), u).ravel()

    def rescue_chances(
        self, pair: int, down: NDArray[np.bool_], untried: Mapping[int, float] = NO_CHANCES
    ) -> NDArray[np.float64]:
        """Return (draws): that one of the pair's fallbacks succeeds, of those that are not down.

        They are tried one after the other. `untried` has the chance of some that were never tried,
        by component number.
        """
        live = [each for each in self.rescues[pair] if not down[each.secondary.number]]
        return self._any_works(live, untried) if live else np.zeros(DRAWS)

    def _any_works(
        self, live: Sequence[Rescue], untried: Mapping[int, float]
    ) -> NDArray[np.float64]:
        numbers = [each.secondary.number for each in live]
        rest = math.prod(1 - untried.get(number, 0.0) for number in numbers)
        live = [e for e, number in zip(live, numbers, strict=True) if number not in untried]
        keys = np.array([each.key for each in live], np.uint64)
        u = stratified(keys, self.seed, _FALLBACK_SALT)
        a, b = np.array([each.a for each in live]), np.array([each.b for each in live])
        found: NDArray[np.float64] = 1 - rest * np.prod(1 - beta_quantiles(a, b, u), axis=0)
        return found


def beliefs(
    graph: Graph,
    r: Recording,
    *,
    seed: int,
    earlier: Counts | None = None,
    declared: DeclaredFacts = NO_FACTS,
) -> Beliefs:
    """Return what is believed after the recorded failures.

    `earlier` has failures that no run shows; what is declared overrides what was seen.
    """
    prior, names = packaged_prior(), r.dependencies.keys(r.components)
    said = np.array([declared.survives.get((s, t), -1) for s, t, _ in names], np.int64)
    before = failures_before(r.runs)
    counts = _counts(r, names, [{k: b.counts for k, b in before.items()}, earlier or {}])
    basis = _basis(counts[0] + counts[1], said)
    retry_a, retry_b = _retry_rates(r, prior)
    return Beliefs(
        survival=_survival(graph, r, counts, basis, said),
        basis=basis,
        keys=_keys(names),
        before=tuple(before.get(name, NONE_BEFORE) for name in names),
        rescues=_rescues(r, prior),
        attempts=_attempts(r, names, declared.retries),
        retry_a=retry_a,
        retry_b=retry_b,
        seed=seed,
    )


def _basis(seen: NDArray[np.float64], said: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.where(seen > 0, int(Basis.SEEN), int(Basis.NEVER_SEEN))
    return np.where(said >= 0, int(Basis.DECLARED), found)


def _survival(
    graph: Graph,
    r: Recording,
    counts: tuple[NDArray[np.float64], NDArray[np.float64]],
    basis: NDArray[np.int64],
    said: NDArray[np.int64],
) -> Posterior:
    prior, cells = packaged_prior(), _cells(graph, r)
    return Posterior(
        cells=text_hashes([f"{kind}\x1f{is_served}" for kind, is_served in cells]),
        share=_shares(cells, prior, _survived(*counts)),
        spare=_spare(r, cells, prior, basis),
        absorbed=counts[0],
        propagated=counts[1],
        declared=said,
        exception=prior.exception,
        varies=prior.varies,
    )


def _attempts(
    r: Recording, names: list[tuple[str, str, bool]], declared: Mapping[str, int]
) -> NDArray[np.int64]:
    """Return how often callers repeat a failed call: once where it was seen, or as declared."""
    seen = (r.dependencies.seen.retried > 0).tolist()
    return np.array(
        [declared.get(source, int(once)) for (source, _, _), once in zip(names, seen, strict=True)],
        np.int64,
    )


def _retry_rates(r: Recording, prior: Prior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    seen = r.dependencies.seen
    failed = (seen.retried - seen.recovered).astype(np.float64)
    return prior.retry[0] + seen.recovered.astype(np.float64), prior.retry[1] + failed


def _keys(names: list[tuple[str, str, bool]]) -> U64:
    return text_hashes([f"{s}\x1f{t}\x1f{returns}" for s, t, returns in names])


def _counts(
    r: Recording, names: list[tuple[str, str, bool]], earlier: Sequence[Counts]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the failures survived and not survived: of the window, and `earlier`."""
    seen = r.dependencies.seen
    absorbed, propagated = seen.absorbed.astype(np.float64), seen.propagated.astype(np.float64)
    for counts in filter(None, earlier):
        more = np.array([counts.get(name, (0.0, 0.0)) for name in names]).reshape(-1, 2)
        absorbed, propagated = absorbed + more[:, 0], propagated + more[:, 1]
    return absorbed, propagated


def _shares(
    cells: Sequence[tuple[str, bool]], prior: Prior, survived: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (n, strengths, 3): the share survived of each dependency's cell, see Prior.share."""
    tallies: dict[tuple[str, bool], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for cell, each in zip(cells, survived.tolist(), strict=True):
        if each >= 0:
            tallies[cell][int(each == 0)] += 1
    shares = {
        cell: prior.share(cell[0], served=cell[1], own=Tally(*tallies[cell])) for cell in set(cells)
    }
    return np.array([shares[c] for c in cells]).reshape(len(cells), len(prior.graph_strengths), 3)


def _spare(
    r: Recording, cells: Sequence[tuple[str, bool]], prior: Prior, basis: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the chance of a fallback that was never seen: none where a failure or one was."""
    d = r.dependencies
    unseen = (basis == Basis.NEVER_SEEN) & (r.fallbacks.of(d.source, d.target) < 0)
    shares = np.array([prior.spare.get(kind, 0.0) for kind, _ in cells])
    return np.where(unseen, shares, 0.0)


def _cells(graph: Graph, r: Recording) -> list[tuple[str, bool]]:
    """Return by dependency the kind of its callee, and whether its caller is served."""
    kinds, inside = {c.id: c.kind.value for c in graph.components}, served(graph)
    kind = [kinds.get(c, _OTHER) for c in r.components]
    is_served = np.array([c in inside for c in r.components] + [False])
    callees = (kind[t] for t in r.dependencies.target.tolist())
    return list(zip(callees, is_served[r.dependencies.source].tolist(), strict=True))


def _survived(absorbed: NDArray[np.float64], propagated: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return by dependency whether most failures were survived (1 or 0); -1: none is known."""
    known = absorbed + propagated > 0
    return np.where(known, (absorbed > propagated).astype(np.int64), -1)


def _rescues(r: Recording, prior: Prior) -> tuple[tuple[Rescue, ...], ...]:
    each = [s for group in r.fallbacks.secondaries for s in group]
    keys = iter(text_hashes([f"{s.owner}\x1f{s.primary}\x1f{s.secondary}" for s in each]))
    a, b = prior.rescue
    return tuple(
        tuple(Rescue(s, a + s.rescued, b + s.tried - s.rescued, next(keys)) for s in group)
        for group in r.fallbacks.secondaries
    )
