"""What the product, and a naive rule beside it, predict of an outage from one window's spans."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentguard.accounts.principal import system_principal
from agentguard.bootstrap.opening import open_app
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from agentguard.graph.runs import Runs
from agentguard.graph.selection import GraphSelection
from agentguard.ingest.sources import read_paths
from agentguard.settings import Settings
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Method, SimulationResult
from agentguard.simulation.shared_fate import UnknownGroupError, members

_DATASET = "lab"
_ACTOR = system_principal("lab")


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a workflow's runs that is said to be lost, and its 95 % range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one method says of an outage."""

    workflows: Mapping[str, Share]
    """By workflow name; those left out lose nothing."""
    hit: frozenset[str]
    """Ids of the components that fail with it, without their environment."""

    def share(self, workflow: str) -> Share:
        return self.workflows.get(workflow, Share(0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Window:
    """A graph of one window with its runs."""

    graph: Graph
    runs: Runs

    @staticmethod
    def scanned(traces: Path, data_dir: Path) -> Window:
        """Scan spans as `agentguard scan` does, and return what is stored."""
        return asyncio.run(_scanned(traces, data_dir))

    def named(self, reference: str) -> tuple[str, ...]:
        """Return the ids that a user's reference means; none where the window does not show it."""
        try:
            return (resolve(self.graph, reference).id,)
        except UnknownComponentError:
            try:
                return members(self.graph, reference)
            except UnknownGroupError:
                return ()

    def predict(self, reference: str, method: Method, *, seed: int = 0) -> Prediction:
        """Return what the product's method says; nothing is lost with what is not known."""
        failed = self.named(reference)
        if not failed:
            return Prediction({}, frozenset())
        return _prediction(simulate(self.graph, self.runs, failed, method=method, seed=seed))

    def naive(self, reference: str) -> Prediction:
        """Return the rule that every successful run that touches a failed component is lost."""
        failed = set(self.named(reference))
        names = {workflow.id: workflow.name for workflow in self.graph.workflows}
        runs, calls = self.runs.runs.to_pylist(), self.runs.calls.to_pylist()
        touched = {call["run"] for call in calls if call["target"] in failed}
        seen = Counter(names[run["workflow"]] for run in runs)
        lost = defaultdict[str, int](int)
        for number in touched:
            if not runs[number]["failed"]:
                lost[names[runs[number]["workflow"]]] += 1
        shares = {name: lost[name] / seen[name] for name in lost}
        return Prediction({name: Share(v, v, v) for name, v in shares.items()}, frozenset())


async def _scanned(traces: Path, data_dir: Path) -> Window:
    async with open_app(Settings(data_dir=data_dir)) as app:
        await app.scans.scan(_ACTOR, read_paths([traces]), dataset=_DATASET)
        selected = await app.selector.select(GraphSelection(_DATASET))
        return Window(selected.graph, await app.selector.runs(selected))


def _prediction(result: SimulationResult) -> Prediction:
    workflows = {}
    for lost in result.workflows:
        low, high = (
            (lost.share, lost.share)
            if lost.interval is None
            else (lost.interval.low, lost.interval.high)
        )
        workflows[lost.name] = Share(lost.share, low, high)
    hit = frozenset(component.id.rpartition("/")[2] for component in result.components)
    return Prediction(workflows, hit)
