"""Entry point of all simulation methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.model import Graph
from agentguard.graph.rates import observed_seconds
from agentguard.graph.runs import Runs
from agentguard.simulation import replay, structural
from agentguard.simulation.errors import EmptyScenarioError, NothingToReplayError
from agentguard.simulation.model import (
    DEFAULT_THRESHOLDS,
    BlastRadius,
    Method,
    Outcome,
    Scenario,
    Severity,
    SimulationResult,
    Thresholds,
)
from agentguard.simulation.money import money, run_values
from agentguard.simulation.recording import recording

_RUNS_WEIGHT, _COMPONENTS_WEIGHT = 0.6, 0.4


def simulate(  # noqa: PLR0913 - all inputs that a result depends on
    graph: Graph,
    runs: Runs | None,
    failed: Sequence[str],
    *,
    method: Method | None = None,
    seed: int = 0,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    catalog: Catalog | None = None,
    graph_version: str | None = None,
) -> SimulationResult:
    """Return what fails during a simultaneous outage of these components.

    `failed` holds exact ids, see graph.resolve. Default method: replay if there are recorded runs,
    else structural; a replay's result includes the structural worst case. Raises
    UnknownComponentError for an unknown id, EmptyScenarioError without ids and NothingToReplayError
    for a replay without runs. CPU-bound: seconds for a million calls.
    """
    scenario = _scenario(graph, failed)
    chosen = method or (Method.REPLAY if _recorded(runs) else Method.STRUCTURAL)
    s = structural.structure(graph, runs)
    worst = structural.simulate(graph, s, scenario.failed)
    outcome = worst if chosen is Method.STRUCTURAL else _replay(graph, runs, s, scenario, seed)
    matches = match(graph, catalog)
    values = run_values(matches, graph.workflows)
    workflows = tuple(
        replace(w, value_lost=w.runs_lost * values[w.id] if w.id in values else None)
        for w in outcome.workflows
    )
    observed = observed_seconds(graph)
    radius = blast_radius(
        runs_lost=sum(w.runs_lost for w in workflows),
        runs_seen=outcome.runs_seen,
        components_hit=len(outcome.components),
        components=len(graph.components) - len(scenario.failed),
    )
    severity, reason = _severity(radius, thresholds)
    impacted = {c.id for c in outcome.components} | {w.id for w in workflows}
    return SimulationResult(
        scenario=scenario,
        method=chosen,
        seed=seed,
        graph_version=graph_version,
        thresholds=thresholds,
        components=outcome.components,
        workflows=workflows,
        workflows_seen=outcome.workflows_seen,
        degraded=tuple(d for d in structural.degraded(s, scenario.failed) if d.id not in impacted),
        structural_components=tuple(sorted(c.id for c in worst.components)),
        structural_workflows=tuple(sorted(w.id for w in worst.workflows)),
        blast_radius=radius,
        severity=severity,
        severity_reason=reason,
        money=money(matches, workflows, observed),
        observed_seconds=observed,
        assumptions=outcome.assumptions,
    )


def blast_radius(
    *, runs_lost: int, runs_seen: int, components_hit: int, components: int
) -> BlastRadius:
    """Return the score from 0 to 10; `components` excludes the failed ones."""
    components_share = components_hit / components if components else 0.0
    runs_share = runs_lost / runs_seen if runs_seen else None
    weighed = (
        components_share
        if runs_share is None
        else _RUNS_WEIGHT * runs_share + _COMPONENTS_WEIGHT * components_share
    )
    return BlastRadius(
        10 * weighed, runs_lost, runs_seen, components_hit, components, runs_share, components_share
    )


def _scenario(graph: Graph, failed: Iterable[str]) -> Scenario:
    known = {c.id for c in graph.components}
    wanted = tuple(sorted(set(failed)))
    if not wanted:
        raise EmptyScenarioError("No component to fail. Name at least one.")
    for component in wanted:
        if component not in known:
            raise UnknownComponentError(component, ())
    return Scenario(wanted)


def _recorded(runs: Runs | None) -> bool:
    return runs is not None and runs.runs.num_rows > 0 and runs.calls.num_rows > 0


def _replay(
    graph: Graph, runs: Runs | None, s: structural.Structure, scenario: Scenario, seed: int
) -> Outcome:
    if runs is None or not _recorded(runs):
        raise NothingToReplayError(
            "This graph has no recorded runs to replay. Use the structural method."
        )
    return replay.simulate(graph, recording(graph, runs, seed=seed), s, scenario.failed, seed=seed)


def _severity(radius: BlastRadius, thresholds: Thresholds) -> tuple[Severity, str]:
    if radius.runs_share is not None:
        return (
            thresholds.severity(radius.runs_share),
            f"{radius.runs_lost} of {radius.runs_seen} runs lost",
        )
    share = radius.components_share
    return (
        thresholds.severity(share),
        f"no runs recorded; {radius.components_hit} of {radius.components} components hit",
    )
