"""Monetary value of lost runs, from the catalog's value per run only."""

from __future__ import annotations

from collections.abc import Sequence

from agentguard.catalog.matching import Matches
from agentguard.graph.model import Workflow
from agentguard.graph.rates import per_hour, too_short
from agentguard.simulation.model import ImpactedWorkflow, Money


def run_values(matches: Matches, workflows: Sequence[Workflow]) -> dict[str, float]:
    """Return the value of one run by workflow id.

    Declared for the workflow, else for its root component, else for its entry.
    """
    of_workflow = {workflow: entry.value_per_run for workflow, entry in matches.workflows}
    of_component = {
        m.component: m.entry.value_per_run for m in matches.components if m.entry is not None
    }
    found: dict[str, float] = {}
    for w in workflows:
        declared = (
            of_workflow.get(w.id),
            of_component.get(w.root_component),
            of_component.get(w.entry),
        )
        values = [value for value in declared if value is not None]
        if values:
            found[w.id] = values[0]
    return found


def money(
    matches: Matches, workflows: Sequence[ImpactedWorkflow], observed_seconds: float | None
) -> Money:
    """Return the value lost with the recorded runs; `value_lost` of the workflows must be set."""
    currency = matches.catalog.currency if matches.catalog else None
    priced = [w.value_lost for w in workflows if w.value_lost is not None]
    reason = _reason(matches, workflows)
    if matches.catalog is None or (workflows and not priced):
        return Money(None, reason, None, reason, currency)
    amount = sum(priced)
    rate = per_hour(amount, observed_seconds)
    return Money(
        amount, reason, rate, too_short(observed_seconds) if rate is None else None, currency
    )


def _reason(matches: Matches, workflows: Sequence[ImpactedWorkflow]) -> str | None:
    if matches.catalog is None:
        return "No catalog is configured, so no run has a value."
    if not workflows:
        return "No run is lost."
    unpriced = [w.name for w in workflows if w.value_lost is None]
    if not unpriced:
        return None
    return (
        f"The catalog has no value_per_run for {', '.join(unpriced)}; these lost runs are not"
        " included."
    )
