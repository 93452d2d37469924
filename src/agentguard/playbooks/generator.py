"""Deterministic playbooks from graph, simulation, catalog and templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agentguard.catalog.matching import Matches
from agentguard.graph.model import Graph
from agentguard.graph.runs import Runs
from agentguard.incidents.recoveries import Recovery
from agentguard.playbooks.backups import activate_backups
from agentguard.playbooks.contain import contain
from agentguard.playbooks.effects import effects_of
from agentguard.playbooks.facts import Facts, facts
from agentguard.playbooks.model import (
    MAX_STEPS,
    Draft,
    PastUse,
    Playbook,
    PlaybookStep,
    RecoveryTime,
    Situation,
)
from agentguard.playbooks.placing import placeholders
from agentguard.playbooks.recover import recover
from agentguard.playbooks.situation import summary, unknown, what_is_lost
from agentguard.playbooks.templates import Template, Templates, packaged_templates
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.modes import FailureMode, parse_mode

GENERATOR = "deterministic-2"
NO_PAST_RECOVERY = (
    "No resolved incident has a playbook of this condition and these components, so the recovery"
    " time is unknown."
)


def generate(  # noqa: PLR0913 - all that a playbook depends on
    graph: Graph,
    result: SimulationResult,
    *,
    runs: Runs | None = None,
    matches: Matches | None = None,
    templates: Templates | None = None,
    condition: str | None = None,
    started_at: int | None = None,
    recoveries: Sequence[Recovery] = (),
) -> Playbook:
    """Return the playbook for the simulated failure.

    `runs`: to simulate measures; `condition`: name of the template, by default the one suited to
    what fails and how; `started_at`: ns, when the failure began; `recoveries`: past ones from this
    condition of these components. Raises UnknownConditionError. CPU-bound: simulates the
    failure again for each measure.
    """
    template = suited_template(graph, result, templates or packaged_templates(), condition)
    known = facts(graph, result, matches, template, runs)
    effects = effects_of(known)
    drafts = (*contain(known), *activate_backups(known), *recover(known, effects))
    found = RecoveryTime.of(recoveries)
    return Playbook(
        situation=_situation(known, started_at),
        condition=template.condition,
        steps=_numbered(known, drafts[:MAX_STEPS], recoveries),
        unknown=unknown(known, effects, found),
        generator=GENERATOR,
        recovery_time=found,
        recovery_time_reason=None if found else NO_PAST_RECOVERY,
    )


def suited_template(
    graph: Graph, result: SimulationResult, templates: Templates, condition: str | None
) -> Template:
    """Return the template asked for, else that of the commonest kind and mode that fails.

    Raises UnknownConditionError.
    """
    if condition is not None:
        return templates.named(condition)
    kinds = {c.id: c.kind for c in graph.components}
    found = Counter(
        (kinds[c], parse_mode(result.modes.get(c, FailureMode.OUTAGE.value)).kind)
        for c in result.scenario.failed
    )
    (kind, mode), _ = min(found.items(), key=lambda item: (-item[1], item[0]))
    return templates.suited(kind, mode)


def _numbered(
    known: Facts, drafts: Sequence[Draft], recoveries: Sequence[Recovery]
) -> tuple[PlaybookStep, ...]:
    place: Counter[str] = Counter()
    steps = []
    for d in drafts:
        place[d.phase] += 1
        steps.append(
            PlaybookStep(
                id=f"{d.phase.value}-{place[d.phase]}",
                action=d.action,
                title=d.title,
                phase=d.phase,
                actions=d.actions,
                verifications=d.verifications,
                rollback=d.rollback,
                details=d.details,
                owner=known.owner(*d.owners),
                runbooks=known.runbooks(*d.owners, *d.components),
                components=d.components,
                evidence=d.evidence,
                keeps=d.keeps,
                past=PastUse.of(d.action.value, recoveries),
            )
        )
    return tuple(steps)


def _situation(known: Facts, started_at: int | None) -> Situation:
    result = known.result
    return Situation(
        title=known.template.title.format_map(placeholders(known)),
        lost=what_is_lost(known, started_at),
        summary=summary(known),
        failed=result.scenario.failed,
        severity=result.severity,
        blast_radius_score=result.blast_radius.score,
        impacted_components=tuple(c.id for c in result.components),
        impacted_workflows=tuple(w.id for w in result.workflows),
        graph_version=result.graph_version,
        started_at=started_at,
    )
