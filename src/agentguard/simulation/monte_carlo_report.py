"""What the trials of a scenario say: components, workflows, rates per hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agentguard.compute.arrays import U64
from agentguard.graph.model import Graph, Workflow
from agentguard.graph.rates import observed_seconds, per_hour
from agentguard.simulation.bits import DRAWS
from agentguard.simulation.call_rows import text_hash
from agentguard.simulation.cascade import Trials
from agentguard.simulation.faults import ComponentFaults
from agentguard.simulation.intervals import predictive_interval
from agentguard.simulation.losses import HIT_PROBABILITY
from agentguard.simulation.model import ImpactedComponent, ImpactedWorkflow, Outcome
from agentguard.simulation.monte_carlo_model import (
    ChanceOfFailure,
    FaultyComponent,
    MonteCarlo,
    Rate,
    Timeout,
)
from agentguard.simulation.network import Network
from agentguard.simulation.propagation import Group, causes
from agentguard.simulation.structural import FailedNodes, Paths, Structure
from agentguard.simulation.timeouts import SlowPair

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOURS = 16
"""Hours imagined for each world."""
_BAD_HOUR = 95


@dataclass(frozen=True, slots=True)
class Found:
    """(nodes, words): in which trials each node fails."""

    failed: U64
    wrong: U64
    """Ends with a wrong answer."""
    best: U64
    """Either, if what was never seen is survived."""
    worst: U64
    """Either, if it is not, and unknown timeouts are short."""


@dataclass(frozen=True, slots=True)
class Report:
    """The trials of one scenario."""

    graph: Graph
    s: Structure
    network: Network
    trials: Trials
    faults: ComponentFaults
    slow: tuple[SlowPair, ...]
    found: Found
    groups: Sequence[Group]
    """Along which failures spread."""

    def outcome(self) -> Outcome:
        s, shares = self.s, self._shares(self.found.failed | self.found.wrong)
        workflows = tuple(self._workflows(shares))
        failing = self._failing(workflows)
        components = (c for c in self._components(shares) if _is_hit(c))
        return Outcome(
            components=tuple(sorted(components, key=lambda c: (len(c.path), c.id))),
            workflows=tuple(
                sorted(
                    (w for w in workflows if w.id in failing), key=lambda w: (-w.runs_lost, w.id)
                )
            ),
            runs_seen=sum(runs.seen for runs in s.runs.values()),
            workflows_seen=len(s.workflows),
            assumptions=None,
            spared=tuple(w for w in workflows if w.id not in failing),
            monte_carlo=self._details(shares),
        )

    def _failing(self, workflows: Iterable[ImpactedWorkflow]) -> set[str]:
        """Return the ids of those that lose runs in some case; without runs, that fail in some."""
        words = self.found.failed | self.found.wrong | self.found.worst
        numbers = np.flatnonzero(words[: len(self.network.workflows)].any(axis=1)).tolist()
        fail = {self.network.workflows[number] for number in numbers}
        return {w.id for w in workflows if w.may_lose or (not w.runs_seen and w.id in fail)}

    def _components(self, shares: NDArray[np.float64]) -> Iterator[ImpactedComponent]:
        by_id, paths = {c.id: c for c in self.graph.components}, self._paths()
        for text, share in self._by_component(shares):
            c = by_id.get(text)
            if c is not None:
                good = max(0, c.invocations - c.errors)
                yield ImpactedComponent(
                    c.id,
                    c.name,
                    c.kind,
                    paths.up_to(self.s.index[c.id]),
                    c.invocations,
                    float(share.mean() * good),
                    float(1 - ((1 - share) ** good).mean()),
                )

    def _by_component(
        self, shares: NDArray[np.float64]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Yield what can fail beside the faulty components, with the share of its runs by world."""
        network = self.network
        weights = np.array(network.weights, dtype=np.float64)
        for text, nodes in sorted(network.nodes_of().items()):
            if text not in self.faults and shares[nodes].any():
                weight = weights[np.array(nodes) - len(network.workflows)]
                known = weight if weight.any() else None
                yield text, np.average(shares[nodes], axis=0, weights=known)

    def _workflows(self, shares: NDArray[np.float64]) -> Iterator[ImpactedWorkflow]:
        by_id, paths = {w.id: w for w in self.graph.workflows}, self._paths()
        best, worst = self._shares(self.found.best), self._shares(self.found.worst)
        for number, text in self._known():
            bounds = float(best[number].mean()), float(worst[number].mean())
            yield self._workflow(by_id[text], shares[number], bounds, paths)

    def _known(self) -> Iterator[tuple[int, str]]:
        """Yield the nodes and ids of the graph's workflows; recorded runs may be of others too."""
        nodes = enumerate(self.network.workflows)
        return ((number, text) for number, text in nodes if text in self.s.runs)

    def _workflow(
        self, w: Workflow, share: NDArray[np.float64], bounds: tuple[float, float], paths: Paths
    ) -> ImpactedWorkflow:
        runs = self.s.runs[w.id]
        good = runs.seen - runs.failed
        lost = float(share.mean() * good)
        rng = np.random.default_rng([self.trials.seed, text_hash(w.id)])
        by_world = np.rint(share * good).astype(np.int64)
        return ImpactedWorkflow(
            w.id,
            w.name,
            w.entry,
            w.root,
            w.root_component,
            runs.seen,
            runs.failed,
            lost,
            lost / runs.seen if runs.seen else 0.0,
            predictive_interval(by_world, runs.seen, rng),
            paths.up_to(len(self.s.components) + self.s.workflows.index(w.id)),
            best=min(lost, bounds[0] * good),
            worst=max(lost, bounds[1] * good),
        )

    def _details(self, shares: NDArray[np.float64]) -> MonteCarlo:
        trials, wrong = self.trials, self._shares(self.found.wrong & ~self.found.failed)
        wrong_by_component = dict(self._by_component(wrong))
        return MonteCarlo(
            trials=trials.count,
            worlds=trials.worlds,
            faults=tuple(
                FaultyComponent(c, f.mode.text, f.share)
                for c, every in sorted(self.faults.items())
                for f in every
            ),
            components=tuple(
                _chance(text, share, wrong_by_component.get(text))
                for text, share in self._by_component(shares)
            ),
            workflows=tuple(_chance(text, shares[n], wrong[n]) for n, text in self._known()),
            rates=tuple(self._rates(shares)),
            timeouts=tuple(
                Timeout(p.source, p.target, p.timeout, p.longest, p.possible) for p in self.slow
            ),
        )

    def _rates(self, shares: NDArray[np.float64]) -> Iterator[Rate]:
        """Yield the runs lost per hour of each workflow, then of all together."""
        total: NDArray[np.int64] = np.zeros((DRAWS, _HOURS), dtype=np.int64)
        expected = 0.0
        for number, text in self._known():
            runs = self.s.runs[text]
            rate = per_hour(runs.seen - runs.failed, observed_seconds(self.graph))
            if rate is None:
                return
            lost = self._hours(shares[number], rate, text)
            total += lost
            expected += rate * float(shares[number].mean())
            yield Rate(text, rate * float(shares[number].mean()), _bad(lost))
        yield Rate(None, expected, _bad(total))

    def _hours(self, share: NDArray[np.float64], rate: float, text: str) -> NDArray[np.int64]:
        """Return (worlds, hours): runs lost in imagined hours with a random number of runs."""
        rng = np.random.default_rng([self.trials.seed, text_hash("hour", text)])
        runs = rng.poisson(rate, (DRAWS, _HOURS))
        return rng.binomial(runs, share[:, None])

    def _shares(self, words: U64) -> NDArray[np.float64]:
        """Return (nodes, worlds): the share of a world's trials."""
        size = self.trials.words_per_world
        counts = np.bitwise_count(words).reshape(len(words), DRAWS, size)
        found: NDArray[np.float64] = counts.sum(axis=2, dtype=np.int64) / (64 * size)
        return found

    def _paths(self) -> Paths:
        """Return paths over the graph's own nodes, whatever the workflow."""
        first, causes_of = len(self.s.components), self._causes()
        return Paths(
            self.graph,
            self.s,
            FailedNodes(
                {n: c for n, c in causes_of.items() if n < first},
                {n: c for n, c in causes_of.items() if n >= first},
            ),
        )

    def _causes(self) -> dict[int, int]:
        s, nodes, label = self.s, self.network.nodes_of(), self.network.label
        number = s.index | {w: n for n, w in enumerate(s.workflows, len(s.components))}
        start = [node for c in self.faults for node in nodes.get(c, ())]
        found: dict[int, int] = {}
        for node, cause in causes(self.groups, start):
            hit, by = label(node), label(cause)
            if hit in number and by in number and hit != by and hit not in self.faults:
                found.setdefault(number[hit], number[by])
        return found


def _is_hit(c: ImpactedComponent) -> bool:
    return c.probability is not None and c.probability >= HIT_PROBABILITY


def _chance(
    text: str, share: NDArray[np.float64], wrong: NDArray[np.float64] | None
) -> ChanceOfFailure:
    low, high = np.percentile(share, (2.5, 97.5))
    part = 0.0 if wrong is None else float(wrong.mean())
    return ChanceOfFailure(text, float(share.mean()), float(low), float(high), part)


def _bad(lost: NDArray[np.int64]) -> float:
    return float(np.percentile(lost, _BAD_HOUR))
