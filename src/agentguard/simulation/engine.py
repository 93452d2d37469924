"""Entry point of all simulation methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog
from agentguard.graph.errors import UnknownComponentError
from agentguard.graph.model import Graph
from agentguard.graph.rates import observed_seconds
from agentguard.graph.runs import Runs
from agentguard.simulation import monte_carlo, replay_outcome, structural
from agentguard.simulation.beliefs import beliefs
from agentguard.simulation.declared import DeclaredFacts, facts_of, with_standbys
from agentguard.simulation.errors import EmptyScenarioError, NothingToReplayError
from agentguard.simulation.hosting import Hosts
from agentguard.simulation.methods import chosen_method, recorded
from agentguard.simulation.model import (
    DEFAULT_THRESHOLDS,
    BlastRadius,
    Declared,
    Degraded,
    Hosted,
    ImpactedWorkflow,
    Method,
    Outcome,
    Scenario,
    SimulationResult,
    Thresholds,
)
from agentguard.simulation.modes import NO_MODES, FailureMode, Mode, modes_of, texts_of
from agentguard.simulation.money import money, run_values
from agentguard.simulation.recording import recording
from agentguard.simulation.severity import (
    NOTHING_LOST,
    Judgment,
    Loss,
    judge,
    judge_components,
)
from agentguard.simulation.stakes import Stake, stakes

_RUNS_WEIGHT, _COMPONENTS_WEIGHT = 0.6, 0.4


def simulate(  # noqa: PLR0913 - all inputs that a result depends on
    graph: Graph,
    runs: Runs | None,
    failed: Sequence[str],
    *,
    method: Method | None = None,
    modes: Mapping[str, Mode] = NO_MODES,
    seed: int = 0,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    catalog: Catalog | None = None,
    graph_version: str | None = None,
    facts: DeclaredFacts | None = None,
) -> SimulationResult:
    """Return what fails if these components, and what runs in them, fail at the same time.

    `failed` holds exact ids, see graph.resolve; `modes` says how they fail, by id (default: an
    outage); `facts` are those of the catalog where none are given. Default method: replay if there
    are recorded runs, else structural; monte_carlo for other modes than outages. Every result
    includes the structural worst case. Raises UnknownComponentError for an unknown id,
    EmptyScenarioError without ids, NothingToReplayError for a replay without runs and
    ModeNotSupportedError where the method simulates outages only. CPU-bound: seconds for a million
    calls.
    """
    matches = match(graph, catalog)
    declared = facts or facts_of(graph, matches)
    graph = with_standbys(graph, declared)
    scenario = Closure(graph).of(failed)
    how = modes_of(scenario.failed, modes)
    chosen = chosen_method(method, runs, how)
    s = structural.structure(graph, runs, declared.survives)
    worst_components, worst_workflows = structural.failing(s, scenario.closed)
    outcome = _outcome(chosen, (graph, runs, s, scenario), how, seed, declared)
    workflows = _valued(outcome.workflows, run_values(matches, graph.workflows))
    observed = observed_seconds(graph)
    radius = _radius(outcome, graph, scenario, declared)
    judgment = _judgment(outcome, radius, stakes(matches, graph.workflows, s.runs), thresholds)
    return SimulationResult(
        scenario=scenario,
        method=chosen,
        seed=seed,
        graph_version=graph_version,
        thresholds=thresholds,
        components=outcome.components,
        workflows=workflows,
        spared=outcome.spared,
        workflows_seen=outcome.workflows_seen,
        degraded=_degraded(s, scenario, outcome),
        structural_components=worst_components,
        structural_workflows=worst_workflows,
        blast_radius=radius,
        severity=judgment.severity,
        severity_reason=judgment.reason,
        worst_workflow=judgment.workflow,
        money=money(matches, workflows, observed),
        observed_seconds=observed,
        assumptions=outcome.assumptions,
        game_days=outcome.game_days,
        monte_carlo=outcome.monte_carlo,
        modes=texts_of(how),
        declared=_declared(declared, scenario, how),
    )


def _declared(facts: DeclaredFacts, scenario: Scenario, how: Mapping[str, Mode]) -> Declared:
    """Return what is declared of the failed components."""
    down = set(scenario.closed)
    kinds = {mode.kind for mode in how.values()}
    return Declared(
        survives={pair: said for pair, said in facts.survives.items() if pair[1] in down},
        replicas={c: n for c, n in facts.replicas.items() if c in down and n > 1},
        retries=dict(facts.retries) if FailureMode.ERRORS in kinds else {},
        timeouts=dict(facts.timeouts) if FailureMode.LATENCY in kinds else {},
        standbys=tuple(
            sorted(
                {
                    (f.primary, f.secondary)
                    for f in facts.fallbacks
                    if down & {f.primary, f.secondary}
                }
            )
        ),
    )


def _valued(
    workflows: Iterable[ImpactedWorkflow], values: Mapping[str, float]
) -> tuple[ImpactedWorkflow, ...]:
    return tuple(
        replace(w, value_lost=w.runs_lost * values[w.id] if w.id in values else None)
        for w in workflows
    )


def _radius(
    outcome: Outcome, graph: Graph, scenario: Scenario, facts: DeclaredFacts
) -> BlastRadius:
    """Return the blast radius among the observed components that do not fail by name."""
    unseen = {c.id for c in facts.unseen}
    others = {c.id for c in graph.components} - unseen - set(scenario.closed)
    return blast_radius(
        runs_lost=sum(w.runs_lost for w in outcome.workflows),
        runs_seen=outcome.runs_seen,
        components_hit=len(outcome.components),
        components=len(others),
    )


def blast_radius(
    *, runs_lost: float, runs_seen: int, components_hit: int, components: int
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


class Closure:
    """Closes scenarios of one graph over hosting."""

    def __init__(self, graph: Graph) -> None:
        self._known = {c.id for c in graph.components}
        self._hosts = Hosts(graph)

    def of(self, failed: Iterable[str]) -> Scenario:
        """Return the outage of these components and of what runs in them.

        Raises UnknownComponentError for an unknown id, EmptyScenarioError without ids.
        """
        wanted = tuple(sorted(set(failed)))
        if not wanted:
            raise EmptyScenarioError("No component to fail. Name at least one.")
        for component in wanted:
            if component not in self._known:
                raise UnknownComponentError(component, ())
        found = self._hosts.failing_with(wanted)
        return Scenario(
            wanted,
            tuple(Hosted(c, host) for c, host in sorted(found.whole.items()) if c in self._known),
            tuple(Hosted(c, h) for c, hosts in sorted(found.partly.items()) for h in sorted(hosts)),
        )


def _outcome(
    method: Method,
    of: tuple[Graph, Runs | None, structural.Structure, Scenario],
    how: Mapping[str, Mode],
    seed: int,
    declared: DeclaredFacts,
) -> Outcome:
    graph, _, s, scenario = of
    match method:
        case Method.STRUCTURAL:
            return structural.simulate(graph, s, scenario.closed)
        case Method.REPLAY:
            return _replay(*of, seed, declared)
        case Method.MONTE_CARLO:
            return monte_carlo.simulate(*of, how, seed=seed, declared=declared)
        case _:
            assert_never(method)


def _replay(
    graph: Graph,
    runs: Runs | None,
    s: structural.Structure,
    scenario: Scenario,
    seed: int,
    declared: DeclaredFacts,
) -> Outcome:
    if runs is None or not recorded(runs):
        raise NothingToReplayError(
            "This graph has no recorded runs to replay. Use the structural method."
        )
    r = recording(graph, runs)
    return replay_outcome.simulate(
        graph, r, s, scenario, beliefs(graph, r, seed=seed, declared=declared)
    )


def _degraded(
    s: structural.Structure, scenario: Scenario, outcome: Outcome
) -> tuple[Degraded, ...]:
    impacted = {c.id for c in outcome.components} | {w.id for w in outcome.workflows}
    every = structural.degraded(s, scenario.closed)
    return tuple(d for d in every if d.id not in impacted)


def _judgment(
    outcome: Outcome,
    radius: BlastRadius,
    at_stake: Mapping[str, Stake],
    thresholds: Thresholds,
) -> Judgment:
    if not at_stake:
        return judge_components(radius, thresholds)
    chance = _chances(outcome)
    losses = (
        Loss(
            w.id,
            w.name,
            w.share if w.runs_seen else chance.get(w.id, 1.0),
            recorded=w.runs_seen > 0,
        )
        for w in outcome.workflows
    )
    return judge(losses, at_stake, thresholds) or NOTHING_LOST


def _chances(outcome: Outcome) -> dict[str, float]:
    """Return how likely each workflow fails; by the structural rules, those listed do."""
    found = outcome.monte_carlo
    return {} if found is None else {w.id: w.probability for w in found.workflows}
