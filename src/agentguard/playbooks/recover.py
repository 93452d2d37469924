"""Minutes 15 to 30: restore the component, then traffic, callees before callers."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Dependency
from agentguard.playbooks.effects import Effects, twice
from agentguard.playbooks.facts import MAX_LISTED, NAMED, Facts, by_ends, cited, edge, unique
from agentguard.playbooks.model import Action, Draft, Phase
from agentguard.playbooks.placing import placeholders
from agentguard.playbooks.recovery_checks import signal_check, workflow_checks
from agentguard.playbooks.signals import error_check
from agentguard.playbooks.templates import Signal
from agentguard.simulation.wording import first

_SHOWN = 2


def recover(known: Facts, effects: tuple[Effects, ...]) -> Iterator[Draft]:
    """Yield the steps of the last phase."""
    yield _restore(known)
    edges = _callees_first(known)
    if edges and known.template.signal is not Signal.INVOCATIONS:
        yield _resume(known, edges)
    if known.workflows:
        yield _rerun(known, effects)


def _restore(known: Facts) -> Draft:
    needs = [d for c in known.failed for d in known.calls_from(c.id)]
    values = placeholders(known)
    repair = (text.format_map(values) for text in known.template.restore)
    checks = tuple(signal_check(known, c) for c in known.failed)
    return Draft(
        action=Action.RESTORE,
        phase=Phase.RECOVER,
        title=known.template.restore_title.format_map(values),
        actions=(*_needs_first(known, needs), *repair),
        verifications=checks[:1],
        rollback=("If that makes it worse, undo the change and stay with step 2.",),
        owners=known.result.scenario.failed,
        components=unique((*known.result.scenario.failed, *(d.target for d in needs[:MAX_LISTED]))),
        evidence=cited(*(c.evidence for c in known.failed), *(d.evidence for d in needs)),
        details=(
            *(_need(known, d) for d in needs[:MAX_LISTED]),
            *checks[1:MAX_LISTED],
        ),
    )


def _needs_first(known: Facts, needs: list[Dependency]) -> Iterator[str]:
    if needs:
        targets = list(dict.fromkeys(d.target for d in needs))
        yield f"Check what it depends on first: {known.named(targets)}."


def _need(known: Facts, d: Dependency) -> str:
    return f"{edge(known, d)}: {d.errors} of {d.calls} calls failed in the window."


def _resume(known: Facts, edges: list[Dependency]) -> Draft:
    order = [edge(known, d) for d in edges]
    checks = [_errors(known, d) for d in edges[:MAX_LISTED]]
    then = "" if len(order) == 1 else f", then {first(order[1:], 2, 'caller')}"
    return Draft(
        action=Action.RESUME,
        phase=Phase.RECOVER,
        title="Restore traffic, callees before callers",
        actions=(f"Resume {order[0]} with a few calls first{then}.",),
        verifications=tuple(checks[:1]),
        rollback=("If errors rise, pause the dependency that was resumed last.",),
        owners=tuple(dict.fromkeys(d.source for d in edges)),
        components=tuple(dict.fromkeys(id_ for d in edges for id_ in (d.target, d.source))),
        evidence=cited(*(d.evidence for d in edges)),
        details=(
            *(f"{number}. {each}" for number, each in enumerate(order[:MAX_LISTED], start=1)),
            *checks[1:],
        ),
    )


def _errors(known: Facts, d: Dependency) -> str:
    subject = f"Error share of {edge(known, d)}"
    return error_check(subject, d.errors, d.calls, "calls", known.result.observed_seconds)


def _callees_first(known: Facts) -> list[Dependency]:
    """Return the dependencies that carried the failure, nearest to its origin first."""
    steps = ((s.source, s.target) for c in known.result.components for s in c.path)
    farther = (known.by_ends[ends] for ends in steps if ends in known.by_ends)
    return list(by_ends((*known.calls, *farther)).values())


def _rerun(known: Facts, effects: tuple[Effects, ...]) -> Draft:
    workflows = known.workflows
    names = first([w.name for w in workflows], NAMED, "workflow")
    checks = workflow_checks(known)
    said = list(twice(known, effects))
    return Draft(
        action=Action.RERUN,
        phase=Phase.RECOVER,
        title=f"Verify {names}, then decide what to run again",
        actions=(
            *said[:_SHOWN],
            f"Start one new run of {workflows[0].name} and follow its trace to the end.",
        ),
        verifications=tuple(checks[:1]),
        rollback=("If a run fails again, pause new runs and return to step 1.",),
        owners=tuple(w.id for w in workflows),
        components=unique(w.root_component for w in workflows),
        evidence=cited(*(w.evidence for w in workflows)),
        details=(*said[_SHOWN:], *checks[1:]),
        keeps=unique(effect for e in effects for effect, _ in e.declared),
    )
