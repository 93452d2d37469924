"""Minutes 5 to 15: use observed fallbacks, or decide how to operate without."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Dependency, Fallback
from agentguard.playbooks.facts import (
    MAX_LISTED,
    Facts,
    by_ends,
    cited,
    edge,
    survived,
    unique,
)
from agentguard.playbooks.model import Action, Draft, Phase
from agentguard.playbooks.signals import error_check
from agentguard.simulation.wording import first

_SHOWN = 2


def activate_backups(known: Facts) -> Iterator[Draft]:
    """Yield the step of the second phase."""
    calls = list(by_ends(known.calls).values())
    usable = [f for d in calls for f in _usable(known, d)[:1]]
    covered = {(f.owner, f.primary) for f in usable}
    without = [d for d in calls if (d.source, d.target) not in covered]
    yield _switch(known, usable, without) if usable else _go_without(known, without)


def _usable(known: Facts, d: Dependency) -> list[Fallback]:
    """Return the fallbacks that worked before and that the outage leaves up."""
    return [
        f
        for f in known.fallbacks(d.source, d.target)
        if f.rescued and f.secondary not in known.down
    ]


def _switch(known: Facts, usable: list[Fallback], without: list[Dependency]) -> Draft:
    backups = known.named((f.secondary for f in usable), "fallback")
    callers = known.named(f.owner for f in usable)
    routes = [_route(known, f) for f in usable]
    return Draft(
        action=Action.SWITCH,
        phase=Phase.ACTIVATE_BACKUPS,
        title=f"Switch {callers} from {known.failing} to {backups}",
        actions=(*routes[:_SHOWN], *_rest(known, without, {f.owner for f in usable})),
        verifications=tuple(_errors_to(known, f) for f in usable[:_SHOWN]),
        rollback=(f"Route calls back to {known.failing} once calls to it work again.",),
        owners=unique(f.owner for f in usable),
        components=unique(id_ for f in usable for id_ in (f.owner, f.primary, f.secondary)),
        evidence=cited(*(f.evidence for f in usable)),
        details=(*routes[_SHOWN:MAX_LISTED], *_each_alone(known, without)),
    )


def _each_alone(known: Facts, without: list[Dependency]) -> Iterator[str]:
    return (_alone(known, d) for d in without[:MAX_LISTED] if _seen(known, d))


def _route(known: Facts, f: Fallback) -> str:
    cases = "case" if f.count == 1 else "cases"
    return (
        f"Route calls of {known.name(f.owner)} to {known.name(f.secondary)}: it took over in"
        f" {f.rescued} of {f.count} {cases} after {known.name(f.primary)} had failed."
    )


def _rest(known: Facts, without: list[Dependency], routed: set[str]) -> Iterator[str]:
    if any(d.source not in routed for d in without):
        callers = known.named(d.source for d in without if d.source not in routed)
        yield f"No fallback was observed for {callers}: keep to step 2 there."


def _errors_to(known: Facts, f: Fallback) -> str:
    used = [d for d in known.graph.dependencies if (d.source, d.target) == (f.owner, f.secondary)]
    errors, calls = sum(d.errors for d in used), sum(d.calls for d in used)
    subject = f"Error share of {known.name(f.owner)} → {known.name(f.secondary)}"
    return error_check(subject, errors, calls, "calls", known.result.observed_seconds)


def _go_without(known: Facts, without: list[Dependency]) -> Draft:
    failed, callers = known.result.scenario.failed, known.callers
    alone = [*_each_alone(known, without), *_unseen(known, without)]
    actions = _without(known, alone)
    checks = [_of_caller(known, c) for c in callers]
    return Draft(
        action=Action.GO_WITHOUT,
        phase=Phase.ACTIVATE_BACKUPS,
        title=f"If step 2 does not help, operate without {known.failing}: no fallback was observed",
        actions=actions,
        verifications=tuple(checks[:1]) or (f"No run that needs {known.failing} starts.",),
        rollback=(f"Remove each temporary route once calls to {known.failing} work again.",),
        owners=(*failed, *callers),
        components=(*failed, *callers[:MAX_LISTED]),
        evidence=cited(*(c.evidence for c in known.failed), *(d.evidence for d in without)),
        details=(*alone[_SHOWN:MAX_LISTED], *checks[1:MAX_LISTED]),
    )


def _without(known: Facts, alone: list[str]) -> tuple[str, ...]:
    found = (*alone[:_SHOWN], *_other_models(known), *_entry(known))
    return found or (f"Nothing observed calls {known.failing}.",)


def _of_caller(known: Facts, caller: str) -> str:
    c = known.component(caller)
    subject = f"Failures of {known.name(caller)}"
    return error_check(
        subject, c.errors, c.invocations, "invocations", known.result.observed_seconds
    )


def _seen(known: Facts, d: Dependency) -> bool:
    """Return whether anything was seen of what the caller does when the callee fails."""
    return bool(d.absorbed + d.propagated or known.fallbacks(d.source, d.target))


def _unseen(known: Facts, without: list[Dependency]) -> Iterator[str]:
    callers = [d.source for d in without if not _seen(known, d)]
    if callers:
        yield f"Keep the calls of {known.named(callers)} to {known.failing} paused."


def _alone(known: Facts, d: Dependency) -> str:
    lost = [f for f in known.fallbacks(d.source, d.target) if f.secondary in known.down]
    if lost:
        backups = known.named(f.secondary for f in lost)
        return f"{edge(known, d)}: do not fall back to {backups}; the same failure takes it down."
    if not d.absorbed:
        return f"{survived(known, d)}: keep its calls paused."
    return f"{survived(known, d)}, retries included: let it run only if that share is acceptable."


def _other_models(known: Facts) -> Iterator[str]:
    """Yield other models: possible, but never observed as a fallback."""
    if not any(c.kind is ComponentKind.MODEL for c in known.failed) or not known.models:
        return
    rates = [
        f"{known.name(m.id)} ({m.errors} of {m.invocations} calls failed)" for m in known.models
    ]
    yield f"Models in use that were never a fallback here: {first(rates, 3, 'model')}."


def _entry(known: Facts) -> Iterator[str]:
    failed = set(known.result.scenario.failed)
    starting = [w.name for w in known.graph.workflows if failed & {w.root_component, w.entry}]
    if starting:
        yield (
            f"{first(starting, 3, 'workflow')} starts in {known.failing}: nothing upstream can"
            " reroute its runs, so queue them."
        )
