"""One experiment: a window is observed, outages are predicted from it, and then made to happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentguard.simulation.model import Method
from demo.system import System
from lab.observation import observe
from lab.outages import Outage, OutageKind, outages_of, quietened, with_outage
from lab.prediction import Prediction, Window
from lab.truth import Truth, truth_of

QUIET = 0.05
"""A quiet window's share of the system's own faults."""
NAIVE = "naive"
METHODS = (*(method.value for method in Method), NAIVE)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One outage: what was said and what happened."""

    system: str
    outage: Outage
    truth: Truth
    predictions: Mapping[str, Prediction]
    """By method."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to observe, and what to hold the predictions against."""

    system: System
    seed: int
    """Of the window that the predictions are made from."""
    judged_by: int
    """Seed of the runs that the outages meet; another one tests what was not seen."""
    quiet: bool = False
    most: int | None = None
    """Outages of each kind at most; None: all."""


def experiment(plan: Plan, folder: Path, progress: Progress) -> list[Case]:
    """Observe, predict, and put each outage into the running system."""
    system = quietened(plan.system, QUIET) if plan.quiet else plan.system
    traces = folder / "traces.jsonl.gz"
    progress(f"{system.name}: observing a window")
    observed = observe(system, plan.seed, traces=traces)
    before = observed if plan.judged_by == plan.seed else observe(system, plan.judged_by)
    window = Window.scanned(traces, folder / "data")
    cases = []
    for outage in _chosen(system, plan.most):
        progress(f"{system.name}: {outage.reference} is out")
        predictions = _predictions(window, outage)
        during = observe(with_outage(system, outage), plan.judged_by, down=outage.down)
        truth = truth_of(system, outage, before, during)
        cases.append(Case(system.name, outage, truth, predictions))
    return cases


def _predictions(window: Window, outage: Outage) -> dict[str, Prediction]:
    said = {method.value: window.predict(outage.wanted, method) for method in Method}
    return said | {NAIVE: window.naive(outage.wanted)}


def _chosen(system: System, most: int | None) -> Sequence[Outage]:
    every = list(outages_of(system))
    return [
        outage
        for kind in OutageKind
        for outage in [each for each in every if each.kind is kind][:most]
    ]
