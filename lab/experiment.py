"""The two halves of an experiment: faults are made to happen, and predictions are held against
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentguard.simulation.model import Method
from demo.processes import DemoError
from demo.system import System
from lab.injections import Injection
from lab.observation import Observation, asked, observe
from lab.parts import Conditions, Part
from lab.prediction import Prediction, Window
from lab.truth import Truth, truth_of

NAIVE = "naive"
METHODS = (*(method.value for method in Method), NAIVE)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: what was said and what happened."""

    system: str
    injection: Injection
    truth: Truth
    predictions: Mapping[str, Prediction | None]
    """By method; None: it has no answer for this kind of fault."""


def record(
    system: System,
    conditions: Conditions,
    injections: Sequence[Injection],
    root: Path,
    progress: Progress,
) -> None:
    """Observe the system without and with each fault; what the folder already holds stays.

    What a busy machine keeps from being observed is reported and left out.
    """
    part = Part.within(root, system.name, conditions)
    for injection in injections:
        if part.truth(injection) is None:
            progress(f"{system.name}, {conditions.name}: {injection.label}")
            try:
                _record(part, system, conditions, injection)
            except DemoError as error:
                progress(f"{system.name}, {conditions.name}: {injection.label}: {error}")


def _record(part: Part, system: System, conditions: Conditions, injection: Injection) -> None:
    running = conditions.applied(system)
    before = _baseline(part, running, conditions)
    requests = [asked(r) for r in running.requests(conditions.seed, running.default_runs)]
    disturbance = injection.disturbance(len(requests))
    during = observe(injection.into(running), conditions.seed, disturbance=disturbance)
    judged = requests[disturbance.killed_after :]
    part.keep(injection, truth_of(running, injection, judged, before, during))


def predicted(system: str, window: Part, judged_by: Part) -> list[Case]:
    """Predict, from the spans of one part, the faults that the other one observed."""
    scanned = Window.scanned(window.traces)
    return [
        Case(system, injection, truth, _predictions(scanned, injection))
        for injection, truth in judged_by.truths()
    ]


def _baseline(part: Part, running: System, conditions: Conditions) -> Observation:
    kept = part.baseline()
    if kept is None:
        kept = observe(running, conditions.seed, traces=part.traces)
        part.keep_baseline(kept)
    return kept


def _predictions(window: Window, injection: Injection) -> dict[str, Prediction | None]:
    said = {method.value: window.predict(injection, method) for method in Method}
    return said | {NAIVE: window.naive(injection)}
