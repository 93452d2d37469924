"""The two halves of an experiment: outages are made to happen, and predictions are held against
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agentguard.simulation.model import Method
from demo.system import System
from lab.observation import Disturbance, Observation, observe
from lab.outages import Outage, with_outage
from lab.parts import Conditions, Part
from lab.prediction import Prediction, Window
from lab.truth import Truth, truth_of

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


def record(
    system: System,
    conditions: Conditions,
    outages: Sequence[Outage],
    root: Path,
    progress: Progress,
) -> None:
    """Observe the system without and with each outage; what the folder already holds stays."""
    part = Part.within(root, system.name, conditions)
    missing = [outage for outage in outages if part.truth(outage) is None]
    running = conditions.applied(system)
    before = _baseline(part, running, conditions, progress)
    for outage in missing:
        progress(f"{system.name}, {conditions.name}: {outage.reference} is out")
        during = observe(
            with_outage(running, outage), conditions.seed, disturbance=Disturbance(outage.down)
        )
        part.keep(outage, truth_of(running, outage, before, during))


def predicted(system: str, window: Part, judged_by: Part) -> list[Case]:
    """Predict, from the spans of one part, the outages that the other one observed."""
    with TemporaryDirectory(prefix="agentguard-lab-") as data_dir:
        scanned = Window.scanned(window.traces, Path(data_dir))
    return [
        Case(system, outage, truth, _predictions(scanned, outage))
        for outage, truth in judged_by.truths()
    ]


def _baseline(
    part: Part, running: System, conditions: Conditions, progress: Progress
) -> Observation:
    kept = part.baseline()
    if kept is None:
        progress(f"{running.name}, {conditions.name}: observing a window")
        kept = observe(running, conditions.seed, traces=part.traces)
        part.keep_baseline(kept)
    return kept


def _predictions(window: Window, outage: Outage) -> dict[str, Prediction]:
    said = {method.value: window.predict(outage.wanted, method) for method in Method}
    return said | {NAIVE: window.naive(outage.wanted)}
