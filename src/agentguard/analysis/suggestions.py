"""What would help most against the single failures of a graph, simulated and ranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentguard.analysis.model import Analysis
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.simulation.declared import NO_FACTS, DeclaredFacts
from agentguard.simulation.methods import recorded
from agentguard.simulation.mitigations import (
    Mitigation,
    MitigationKind,
    mitigations,
    ranked,
    valued,
)
from agentguard.simulation.outages import Model
from agentguard.simulation.retries import retry_mitigations

MOST_FATES = 10
"""Shared fates of which the removal is simulated, those that lose most runs first."""


def suggestions(
    graph: Graph,
    runs: Runs | None,
    analysis: Analysis,
    *,
    values: Mapping[str, float] | None = None,
    declared: DeclaredFacts = NO_FACTS,
) -> tuple[Mitigation, ...]:
    """Return spares of the roots, shared fates removed, and retries, what saves most first.

    Runs saved by a spare or a removed fate are those of the whole window, if the outage lasts that
    long; those saved by retries failed in the window. `values`: workflow id → value of one run;
    `declared` overrides what was seen. Nothing without recorded runs.
    """
    if runs is None or not recorded(runs):
        return ()
    found = (
        *_spares(analysis),
        *_separated(graph, runs, analysis, declared),
        *retry_mitigations(Model.of(graph, runs, seed=analysis.seed, declared=declared)),
    )
    return ranked(valued(m, values or {}) for m in found)


def _spares(analysis: Analysis) -> Iterator[Mitigation]:
    """Yield a spare of each root, as the analysis has simulated it."""
    saved: dict[str, dict[str, float]] = {}
    lost: dict[str, float] = {}
    for series in analysis.series:
        for root in series.roots:
            if root.spare_saves is not None:
                saved.setdefault(root.component, {})[series.workflow] = root.spare_saves
                lost[root.component] = lost.get(root.component, 0.0) + (root.runs_lost or 0.0)
    for component, of in saved.items():
        yield Mitigation(
            MitigationKind.SPARE,
            (component,),
            (),
            of,
            lost[component],
            "Its callers turn to a spare, which works as often as it did in the window.",
        )


def _separated(
    graph: Graph, runs: Runs, analysis: Analysis, declared: DeclaredFacts
) -> Iterator[Mitigation]:
    """Yield what fallbacks save that no longer share their primary's fate."""
    shared = {label for f in analysis.combinations.false_redundancies for label in f.shared}
    fates = [f for f in analysis.combinations.shared_fates if f.label in shared and f.members]
    for fate in fates[:MOST_FATES]:
        failed = (fate.component,) if fate.component is not None else fate.members
        for m in mitigations(graph, runs, failed, seed=analysis.seed, declared=declared):
            if m.kind is MitigationKind.SEPARATE_FATE:
                yield m
