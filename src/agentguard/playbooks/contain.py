"""Minutes 0 to 5: confirm the failure, contain it, notify users."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component
from agentguard.playbooks.facts import (
    MAX_LISTED,
    NAMED,
    Facts,
    cited,
    edge,
    failures,
    unique,
)
from agentguard.playbooks.measures import Containment, Option, containment, filled
from agentguard.playbooks.model import Action, Draft, Phase
from agentguard.playbooks.placing import placeholders
from agentguard.playbooks.recovery_checks import signal_check, workflow_checks
from agentguard.playbooks.signals import failure_check
from agentguard.playbooks.templates import Measure, Signal
from agentguard.simulation.model import ImpactedWorkflow
from agentguard.simulation.wording import expected, first, percent, percent_range, plural

_NOTHING_CHANGED = "None needed: this step changes nothing."


def contain(known: Facts) -> Iterator[Draft]:
    """Yield the steps of the first phase."""
    yield _confirm(known)
    if known.calls or known.result.workflows:
        yield _contain(known, containment(known))
    if known.result.workflows:
        yield _notify(known)


def _confirm(known: Facts) -> Draft:
    sources = [c.evidence for c in known.failed] + [d.evidence for d in known.calls]
    failed = failures(*sources)
    values = placeholders(known)
    texts = [text.format_map(values) for text in known.template.confirm]
    return Draft(
        action=Action.CONFIRM,
        phase=Phase.CONTAIN,
        title=f"Confirm: {known.template.title.format_map(values)}",
        actions=(*texts, *_compare(known, len(failed))),
        verifications=(_confirmed(known),),
        rollback=(_NOTHING_CHANGED,),
        owners=known.result.scenario.failed,
        components=known.result.scenario.failed,
        evidence=failed or cited(*sources),
        details=tuple(_usual(known, c) for c in known.failed[:MAX_LISTED]),
    )


def _compare(known: Facts, failed: int) -> Iterator[str]:
    if failed and known.template.signal is Signal.ERRORS:
        spans = "failed span" if failed == 1 else f"{failed} failed spans"
        same = "the same error has a known cause"
        yield f"Compare the current error with the {spans} cited here: {same}."


def _confirmed(known: Facts) -> str:
    """Return what tells that it is a failure: the usual value of the template's signal."""
    calls = sum(c.invocations for c in known.failed)
    match known.template.signal:
        case Signal.ANSWERS:
            return f"At least one answer of {known.failing} is wrong, judged by a person."
        case Signal.INVOCATIONS:
            return f"It runs ({plural(calls, 'invocation')} in the window), and nobody declared it."
        case Signal.ERRORS if calls:
            return f"It is a failure if {' or '.join(_limits(known))}."
        case Signal.ERRORS:
            return f"Current calls of {known.failing} fail; the window has none to compare with."
        case _:
            return f"It is a failure if this does not hold: {signal_check(known, known.failed[0])}"


def _limits(known: Facts) -> Iterator[str]:
    """Return the largest error share that is no failure, of each component that was called."""
    called = [c for c in known.failed if c.invocations]
    for c in called[:MAX_LISTED]:
        name = None if len(called) == 1 else known.name(c.id)
        yield failure_check(name, c.errors, c.invocations)


def _usual(known: Facts, c: Component) -> str:
    return (
        f"{known.name(c.id)}: {c.errors} of {plural(c.invocations, 'call')} failed in the window."
    )


def _contain(known: Facts, found: Containment) -> Draft:
    text = filled(known, found.chosen)
    held = found.chosen.held
    edges = known.calls if held is None else (held,)
    callers = unique(d.source for d in edges)
    failed = known.result.scenario.failed
    components = (held.target, held.source) if held is not None else (*failed, *callers)
    paths = [s.evidence for w in known.result.workflows for s in w.path]
    return Draft(
        action=Action.CONTAIN,
        phase=Phase.CONTAIN,
        title=text.title,
        actions=(text.action, found.effect(known, found.chosen), *_retries(known)),
        verifications=_contained(known, found.chosen),
        rollback=(text.rollback,),
        owners=callers or failed,
        components=unique(components),
        evidence=cited(*(d.evidence for d in edges)) or cited(*paths),
        details=tuple(_other(known, found, o) for o in found.others),
    )


def _retries(known: Facts) -> Iterator[str]:
    retries, calls = (sum(getattr(d, n) for d in known.calls) for n in ("retries", "calls"))
    if retries:
        were = "was a retry" if retries == 1 else "were retries"
        yield f"Turn retries off, they add load in an outage: {retries} of {calls} calls {were}."


def _contained(known: Facts, chosen: Option) -> tuple[str, ...]:
    match chosen.text.measure:
        case Measure.HOLD if chosen.held is not None:
            caller = known.name(chosen.held.source)
            return (f"No new call {edge(known, chosen.held)}, and runs of {caller} succeed.",)
        case Measure.DISABLE | Measure.STOP:
            return (f"No new invocation of {known.failing}.",)
        case Measure.PAUSE_CONSUMERS | Measure.PAUSE_RUNS:
            return ("No new run fails, and the number of waiting ones grows.",)
        case _:
            return workflow_checks(known)[:1] or (f"Callers of {known.failing} succeed.",)


def _other(known: Facts, found: Containment, option: Option) -> str:
    return f"Instead: {filled(known, option).title}. {found.effect(known, option)}"


def _notify(known: Facts) -> Draft:
    workflows = known.result.workflows
    names = first([w.name for w in workflows], NAMED, "workflow")
    losses = [loss(w) for w in workflows[:MAX_LISTED]]
    return Draft(
        action=Action.NOTIFY,
        phase=Phase.CONTAIN,
        title=f"Notify the users of {names}",
        actions=tuple(losses[:NAMED]),
        verifications=("Each workflow's owner has confirmed the notice.",),
        rollback=("Send the all-clear after the last step.",),
        owners=tuple(w.id for w in workflows),
        components=tuple(dict.fromkeys(w.root_component for w in workflows)),
        evidence=cited(*(s.evidence for w in workflows for s in w.path)),
        details=tuple(losses[NAMED:]),
    )


def loss(w: ImpactedWorkflow) -> str:
    """Say what a workflow loses."""
    if not w.runs_seen:
        return f"{w.name} fails; no run of it was recorded, so how many are lost is unknown."
    runs = f"{expected(w.runs_lost, w.runs_seen)} of {plural(w.runs_seen, 'run')}"
    lost = f"{w.name} loses {runs if w.runs_lost else 'no run by simulation'}"
    if w.interval is None:
        return f"{lost} in the worst case ({percent(w.share)} %)."
    return f"{lost} (95 % interval: {percent_range(w.interval.low, w.interval.high)})."
