"""How much is at stake in each workflow, from declared criticality and value per run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentguard.catalog.matching import Matches
from agentguard.catalog.model import Criticality
from agentguard.graph.model import Workflow
from agentguard.simulation.model import WorkflowRuns
from agentguard.simulation.money import run_values

WEIGHTS = {
    Criticality.CRITICAL: 2.0,
    Criticality.HIGH: 1.0,
    Criticality.MEDIUM: 0.4,
    Criticality.LOW: 0.2,
}
"""By criticality, the factor by which the share of lost runs counts.

A convention, not a measurement. With the default thresholds, a critical workflow that loses a
quarter of its runs is CRITICAL; one that loses every run is HIGH where it is declared medium and
MEDIUM where it is declared low.
"""

UNDECLARED = 1.0
"""Nothing declared: counts in full, so that a missing declaration never hides a loss."""

NOT_DECLARED = "criticality not declared"

_MUCH, _SOME = 0.5, 0.1
"""Value in the window, as a share of the most valuable workflow's, that counts like a criticality
of high and of medium. Less counts like low.
"""


@dataclass(frozen=True, slots=True)
class Stake:
    """The weight of one workflow's lost runs, and where it comes from."""

    weight: float
    reason: str
    value: float | None = None
    """Of all its runs in the window; None where no value per run is declared."""


def stakes(
    matches: Matches, workflows: tuple[Workflow, ...], runs: Mapping[str, WorkflowRuns]
) -> dict[str, Stake]:
    """Return the stake of every workflow.

    By its criticality: declared for the workflow, else for its root component, else for its entry.
    Where none is declared but a value per run is, by the value of its runs relative to that of the
    most valuable workflow.
    """
    criticality = _criticality(matches, workflows)
    values = {
        workflow: value * runs[workflow].seen
        for workflow, value in run_values(matches, workflows).items()
    }
    most = max(values.values(), default=0.0)
    return {w.id: _stake(criticality.get(w.id), values.get(w.id), most) for w in workflows}


def _stake(declared: Criticality | None, value: float | None, most: float) -> Stake:
    if declared is not None:
        return Stake(WEIGHTS[declared], f"declared {declared.value}", value)
    if value is None or not most:
        return Stake(UNDECLARED, NOT_DECLARED, value)
    share = value / most
    if share >= _MUCH:
        return Stake(WEIGHTS[Criticality.HIGH], "among the most valuable workflows", value)
    stands_for = Criticality.MEDIUM if share >= _SOME else Criticality.LOW
    return Stake(
        WEIGHTS[stands_for], f"{share:.0%} of the value of the most valuable workflow", value
    )


def _criticality(matches: Matches, workflows: tuple[Workflow, ...]) -> dict[str, Criticality]:
    of_workflow = {workflow: entry.criticality for workflow, entry in matches.workflows}
    of_component = {
        m.component: m.entry.criticality for m in matches.components if m.entry is not None
    }
    found: dict[str, Criticality] = {}
    for w in workflows:
        declared = (
            of_workflow.get(w.id),
            of_component.get(w.root_component),
            of_component.get(w.entry),
        )
        first = next((each for each in declared if each is not None), None)
        if first is not None:
            found[w.id] = first
    return found
