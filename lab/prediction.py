"""What the product, and a naive rule beside it, predict of a fault from one window's spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.latency import quantile
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.runs import Runs
from agentguard.ingest.sources import read_paths
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.scan.pipeline import scan
from agentguard.simulation import modes
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import ImpactedWorkflow, Method, SimulationResult
from agentguard.simulation.shared_fate import UnknownGroupError, members
from lab.injections import Injection, Mode

_OUTAGES = (Mode.OUTAGE, Mode.CRASH)
"""What the methods predict: a complete outage. A crash is one for the requests after it."""
_SHARES = (Mode.ERRORS, Mode.FLAKY, Mode.WRONG)
_FOREVER = 1e6
"""Factor for a callee without known durations: no caller waits that long."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a workflow's runs that is said to be lost, and its 95 % range."""

    value: float
    low: float
    high: float
    of_successful: float
    """The same number of lost runs, as a share of those that succeed without the fault."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one method says of a fault."""

    workflows: Mapping[str, Share]
    """By workflow name; those left out lose nothing."""
    hit: frozenset[str]
    """Ids of the components that fail with it, without their environment."""

    def share(self, workflow: str) -> Share:
        return self.workflows.get(workflow, Share(0.0, 0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Window:
    """A graph of one window with its runs."""

    graph: Graph
    runs: Runs

    @staticmethod
    def scanned(traces: Path) -> Window:
        """Scan spans as `agentguard scan` does."""
        found = scan(read_paths([traces]), load_dialects())
        return Window(found.graph, found.runs)

    def named(self, reference: str) -> tuple[str, ...]:
        """Return the ids that a user's reference means; none where the window does not show it."""
        try:
            return (resolve(self.graph, reference).id,)
        except UnknownComponentError:
            try:
                return members(self.graph, reference)
            except UnknownGroupError:
                return ()

    def predict(self, injection: Injection, method: Method) -> Prediction | None:
        """Return what the product's method says; nothing is lost with what is not known."""
        if injection.mode not in _OUTAGES and method is not Method.MONTE_CARLO:
            return None
        failed = self.named(injection.wanted)
        if not failed:
            return Prediction({}, frozenset())
        how = {component: self._mode(injection, component) for component in failed}
        return _prediction(simulate(self.graph, self.runs, failed, method=method, modes=how))

    def _mode(self, injection: Injection, component: str) -> modes.Mode:
        match injection.mode:
            case Mode.OUTAGE | Mode.CRASH:
                return modes.OUTAGE
            case Mode.ERRORS | Mode.FLAKY:
                return modes.Mode(modes.FailureMode.ERRORS, injection.amount)
            case Mode.WRONG:
                return modes.Mode(modes.FailureMode.WRONG_OUTPUT, injection.amount)
            case Mode.SLOW:
                return modes.Mode(
                    modes.FailureMode.LATENCY, self._factor(component, injection.amount)
                )
            case _ as never:
                assert_never(never)

    def _factor(self, component: str, seconds: float) -> float:
        """Return how many times as long a call of median duration takes with these seconds."""
        found = self.graph.component(component)
        median = quantile(found.latency, 0.5) if found is not None else None
        return 1 + seconds * NS_PER_SECOND / median if median else _FOREVER

    def naive(self, injection: Injection) -> Prediction:
        """Return the rule that what touches a failed component fails: every run that succeeded,
        and every direct or indirect caller. Of a fault that strikes a share, this share.
        """
        failed = set(self.named(injection.wanted))
        share = injection.amount if injection.mode in _SHARES else 1.0
        names = {workflow.id: workflow.name for workflow in self.graph.workflows}
        runs, calls = self.runs.runs.to_pylist(), self.runs.calls.to_pylist()
        touched = {call["run"] for call in calls if call["target"] in failed}
        seen = Counter(names[run["workflow"]] for run in runs)
        succeeded = Counter(names[run["workflow"]] for run in runs if not run["failed"])
        lost = Counter(names[runs[n]["workflow"]] for n in touched if not runs[n]["failed"])
        callers = frozenset(c.rpartition("/")[2] for c in self._callers(failed) - failed)
        workflows = {
            name: _exactly(share * lost[name], seen[name], succeeded[name]) for name in lost
        }
        return Prediction(workflows, callers)

    def _callers(self, components: set[str]) -> set[str]:
        found, new = set(components), set(components)
        while new:
            new = {d.source for d in self.graph.dependencies if d.target in new} - found
            found |= new
        return found


def _exactly(lost: float, seen: int, succeeded: int) -> Share:
    share = lost / seen
    return Share(share, share, share, lost / succeeded)


def _prediction(result: SimulationResult) -> Prediction:
    hit = frozenset(component.id.rpartition("/")[2] for component in result.components)
    every = (*result.workflows, *result.spared)
    return Prediction({lost.name: _share(lost) for lost in every}, hit)


def _share(said: ImpactedWorkflow) -> Share:
    succeeded = said.runs_seen - said.runs_failed
    if not succeeded:
        return Share(0.0, 0.0, 0.0, 0.0)
    exact = _exactly(said.runs_lost, said.runs_seen, succeeded)
    if said.interval is None:
        return exact
    return replace(exact, low=said.interval.low, high=said.interval.high)
