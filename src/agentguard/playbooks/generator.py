"""Deterministic playbooks from graph, simulation and catalog."""

from __future__ import annotations

from collections import Counter

from agentguard.catalog.matching import Matches
from agentguard.graph.model import Graph
from agentguard.playbooks.backups import activate_backups
from agentguard.playbooks.contain import contain
from agentguard.playbooks.facts import Facts, facts, listed
from agentguard.playbooks.model import Draft, Playbook, PlaybookStep, Situation
from agentguard.playbooks.recover import recover
from agentguard.simulation.answer import answer
from agentguard.simulation.model import NO_RECOVERY_TIME, SimulationResult
from agentguard.simulation.naming import names_of

GENERATOR = "deterministic-1"


def generate(graph: Graph, result: SimulationResult, *, matches: Matches | None = None) -> Playbook:
    """Return the playbook for the simulated failure; owners come from the matches."""
    known = facts(graph, result, matches)
    drafts = (*contain(known), *activate_backups(known), *recover(known))
    return Playbook(_situation(known), _numbered(known, drafts), GENERATOR, NO_RECOVERY_TIME)


def _numbered(known: Facts, drafts: tuple[Draft, ...]) -> tuple[PlaybookStep, ...]:
    place: Counter[str] = Counter()
    steps = []
    for d in drafts:
        place[d.phase] += 1
        owner = known.owner(*d.owners)
        id_ = f"{d.phase.value}-{place[d.phase]}"
        steps.append(
            PlaybookStep(
                id_,
                d.title,
                d.phase,
                d.actions,
                d.verifications,
                d.rollback,
                owner,
                d.components,
                d.evidence,
            )
        )
    return tuple(steps)


def _situation(known: Facts) -> Situation:
    result = known.result
    failed = listed(map(known.name, result.scenario.failed))
    return Situation(
        title=f"Outage of {failed}",
        summary=_summary(known),
        failed=result.scenario.failed,
        severity=result.severity,
        blast_radius_score=result.blast_radius.score,
        impacted_components=tuple(c.id for c in result.components),
        impacted_workflows=tuple(w.id for w in result.workflows),
        graph_version=result.graph_version,
    )


def _summary(known: Facts) -> str:
    """Return the answer of the simulation, and how many components fail too."""
    b = known.result.blast_radius
    sentence = answer(known.result, names_of(known.graph)).sentence
    return f"{sentence} {b.components_hit} of {b.components} other components fail too."
