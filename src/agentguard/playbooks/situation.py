"""What is lost now, for whom and since when; and what is unknown."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.kernel.clock import timestamp
from agentguard.playbooks.effects import Effects
from agentguard.playbooks.facts import NAMED, Facts
from agentguard.playbooks.model import RecoveryTime
from agentguard.simulation.answer import answer
from agentguard.simulation.model import ImpactedWorkflow
from agentguard.simulation.wording import expected, first, percent, plural


def what_is_lost(known: Facts, started_at: int | None) -> str:
    """Return the first line of a playbook."""
    workflows = known.result.workflows
    if not workflows and not known.calls:
        return f"Lost now: nothing observed; nothing else uses {known.failing} (local only)."
    if not workflows:
        callers = known.named(known.callers)
        return f"Lost now: no run of a workflow; {callers} may fail. {_since(started_at)}"
    losing = [w for w in workflows if w.runs_lost > 0 or not w.runs_seen]
    losses = first([_loss(w) for w in losing], NAMED, "workflow") or "no run by simulation"
    owner = known.owner(*(w.id for w in workflows))
    users = f"For: its users; tell {owner}." if owner else "For: its users."
    if len(workflows) > 1:
        users = users.replace("its users", "their users")
    lead = "Lost now" if known.template.modes else "Lost while it is stopped"
    return f"{lead}: {losses}. {users} {_since(started_at)}"


def _loss(w: ImpactedWorkflow) -> str:
    if not w.runs_seen:
        return f"runs of {w.name} (none recorded)"
    share = "" if w.runs_lost in (0, w.runs_seen) else f" ({percent(w.share)} %)"
    return (
        f"{expected(w.runs_lost, w.runs_seen)} of {plural(w.runs_seen, 'run')} of {w.name}{share}"
    )


def _since(started_at: int | None) -> str:
    written = timestamp(started_at or 0)
    if written is None:
        return "Since: no start was given; this is simulated."
    return f"Since: {written[:10]} {written[11:16]} UTC."


def summary(known: Facts) -> str:
    """Return the answer of the simulation, and how many components fail too."""
    b = known.result.blast_radius
    sentence = answer(known.result, known.names).sentence
    return f"{sentence} {b.components_hit} of {plural(b.components, 'other component')} fail too."


def unknown(
    known: Facts, effects: tuple[Effects, ...], recovery: RecoveryTime | None
) -> str | None:
    """Return all that is unknown in one line; None: nothing of weight."""
    parts = [
        *_survival(known),
        *_owners(known),
        *_effects(effects),
        *_losses(known),
        *(() if recovery else ("how long recovery takes (no past recovery)",)),
    ]
    return f"Unknown: {'; '.join(parts)}." if parts else None


def _survival(known: Facts) -> Iterator[str]:
    never = [d for d in known.calls if not d.absorbed + d.propagated]
    if never:
        callers = known.named(d.source for d in never)
        yield f"whether {callers} can run without {known.failing} (never seen)"


def _owners(known: Facts) -> Iterator[str]:
    wanted = dict.fromkeys([*known.result.scenario.failed, *(w.id for w in known.workflows)])
    without = [id_ for id_ in wanted if known.owner(id_) is None]
    if without:
        yield f"who owns {known.named(without)} (not declared)"


def _effects(effects: tuple[Effects, ...]) -> Iterator[str]:
    unsure = [e.workflow.name for e in effects if not e.known]
    if unsure:
        yield f"side effects of {first(unsure, NAMED, 'workflow')} (not declared)"


def _losses(known: Facts) -> Iterator[str]:
    if known.result.workflows and not known.result.blast_radius.runs_seen:
        yield "how many runs are lost (none recorded)"
