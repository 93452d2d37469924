"""Minutes 5 to 15: switch to observed fallbacks, and name the callers that have none."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Dependency, Fallback
from agentguard.playbooks.facts import (
    MAX_LISTED,
    Facts,
    and_others,
    cited,
    listed,
    within_baseline,
)
from agentguard.playbooks.model import Draft, Phase


def activate_backups(facts: Facts) -> Iterator[Draft]:
    """Yield the steps of the second phase: at least one per failed component."""
    for c in facts.failed:
        without: list[Dependency] = []
        calls = {d.source: d for d in reversed(facts.calls_to(c.id))}
        for d in sorted(calls.values(), key=lambda d: (-d.calls, d.source)):
            usable = _usable(facts, d)
            if usable:
                yield _switch(facts, d, usable)
            else:
                without.append(d)
        if without or not calls:
            yield _without_fallback(facts, c, without)


def _usable(facts: Facts, d: Dependency) -> list[Fallback]:
    """Return the fallbacks that worked before and that the outage leaves up."""
    fallbacks = facts.fallbacks(d.source, d.target)
    return [f for f in fallbacks if f.rescued and f.secondary not in facts.down]


def _switch(facts: Facts, d: Dependency, usable: list[Fallback]) -> Draft:
    caller, failed, first = facts.name(d.source), facts.name(d.target), usable[0]
    return Draft(
        phase=Phase.ACTIVATE_BACKUPS,
        title=f"Switch {caller} from {failed} to {facts.name(first.secondary)}",
        actions=tuple(
            f"Route calls of {caller} to {facts.name(f.secondary)}: it succeeded in {f.rescued} of"
            f" {f.count} cases after {failed} had failed."
            for f in usable
        ),
        verifications=tuple(_errors_to(facts, d.source, f) for f in usable),
        rollback=(f"Route calls of {caller} back to {failed} once it responds.",),
        owners=(d.source,),
        components=(d.source, d.target, *(f.secondary for f in usable)),
        evidence=cited(*(f.evidence for f in usable)),
    )


def _errors_to(facts: Facts, caller: str, f: Fallback) -> str:
    used = [d for d in facts.graph.dependencies if (d.source, d.target) == (caller, f.secondary)]
    errors, calls = sum(d.errors for d in used), sum(d.calls for d in used)
    subject = f"Errors on {facts.name(caller)} → {facts.name(f.secondary)}"
    return within_baseline(subject, errors, calls, "calls")


def _without_fallback(facts: Facts, c: Component, without: list[Dependency]) -> Draft:
    name = facts.name(c.id)
    callers = tuple(dict.fromkeys(d.source for d in without))
    return Draft(
        phase=Phase.ACTIVATE_BACKUPS,
        title=f"Decide how to operate without {name}: no working fallback was observed",
        actions=(
            *(_alone(facts, d) for d in without[:MAX_LISTED]),
            *and_others(without),
            *_unproven(facts, c),
            *_entry(facts, c),
        ),
        verifications=_stable(facts, c, without),
        rollback=(f"Remove each temporary route once {name} responds.",),
        owners=(c.id, *callers),
        components=(c.id, *callers),
        evidence=cited(c.evidence, *(d.evidence for d in without)),
    )


def _alone(facts: Facts, d: Dependency) -> str:
    caller, failed = facts.name(d.source), facts.name(d.target)
    lost = [f for f in facts.fallbacks(d.source, d.target) if f.secondary in facts.down]
    if lost:
        return (
            f"{caller}: do not fall back from {failed} to"
            f" {listed(facts.name(f.secondary) for f in lost)}: the same outage takes it down."
        )
    seen = d.absorbed + d.propagated
    if not seen:
        return (
            f"{caller}: {failed} never failed in this window, so it is unknown whether {caller} can"
            " run without it. Keep these calls paused."
        )
    if not d.absorbed:
        return f"{caller} survived none of {seen} failures of {failed}. Keep these calls paused."
    return (
        f"{caller} survived {d.absorbed} of {seen} failures of {failed}, retries included. Let it"
        f" run without {failed} only if that rate is acceptable."
    )


def _unproven(facts: Facts, c: Component) -> Iterator[str]:
    """Yield other providers of the model and other models: possible, but never observed."""
    if c.kind is not ComponentKind.MODEL:
        return
    name = facts.name(c.id)
    if len(c.providers) > 1:
        yield (
            f"{name} was called through {listed(c.providers)}: if only one of them is failing,"
            " switch to another."
        )
    others = _other_models(facts)
    if others:
        rates = listed(f"{facts.name(m.id)} ({m.errors} of {m.invocations} failed)" for m in others)
        yield (
            f"Other models in use, none of them observed as a fallback for {name}: {rates}. Test"
            " one on a few runs before switching."
        )


def _other_models(facts: Facts) -> list[Component]:
    models = (m for m in facts.graph.components if m.kind is ComponentKind.MODEL)
    return [m for m in models if m.id not in facts.down and m.invocations]


def _entry(facts: Facts, c: Component) -> Iterator[str]:
    for w in facts.graph.workflows:
        if c.id in (w.root_component, w.entry):
            yield (
                f"{w.name} starts in {facts.name(c.id)}: pause or queue its runs. Nothing upstream"
                " can reroute them."
            )


def _stable(facts: Facts, c: Component, without: list[Dependency]) -> tuple[str, ...]:
    if not without:
        return (f"No run that needs {facts.name(c.id)} starts.",)
    callers = (facts.component(d.source) for d in without[:MAX_LISTED])
    return tuple(
        within_baseline(f"Failures of {facts.name(m.id)}", m.errors, m.invocations, "invocations")
        for m in callers
    )
