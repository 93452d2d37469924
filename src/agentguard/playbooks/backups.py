"""Minutes 5 to 15: put observed fallbacks to use, and say where there are none."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Dependency, Fallback
from agentguard.playbooks.facts import MAX_LISTED, Facts, and_others, cited, listed
from agentguard.playbooks.model import Draft, Phase


def activate_backups(facts: Facts) -> Iterator[Draft]:
    """Yield the steps of the second phase.

    Never none, for that nothing is there to fall back on is worth knowing too.
    """
    for c in facts.failed:
        without: list[Dependency] = []
        calls = {d.source: d for d in reversed(facts.calls_to(c.id))}
        for d in sorted(calls.values(), key=lambda d: (-d.calls, d.source)):
            standing = [
                f
                for f in facts.fallbacks(d.source, c.id)
                if f.rescued and f.secondary not in facts.down
            ]
            if standing:
                yield _switch(facts, d, standing)
            else:
                without.append(d)
        if without or not calls:
            yield _none_seen(facts, c, without)


def _switch(facts: Facts, d: Dependency, standing: list[Fallback]) -> Draft:
    caller, failed, first = facts.name(d.source), facts.name(d.target), standing[0]
    return Draft(
        phase=Phase.ACTIVATE_BACKUPS,
        title=f"Switch {caller} from {failed} to {facts.name(first.secondary)}",
        actions=tuple(
            f"Route {caller}'s calls to {facts.name(f.secondary)}: it succeeded {f.rescued} of"
            f" {f.count} times when {failed} had failed."
            for f in standing
        ),
        verifications=tuple(_stays(facts, d.source, f) for f in standing),
        rollback=(f"Route {caller}'s calls back to {failed} once it answers.",),
        owners=(d.source,),
        components=(d.source, d.target, *(f.secondary for f in standing)),
        evidence=cited(*(f.evidence for f in standing)),
    )


def _stays(facts: Facts, caller: str, f: Fallback) -> str:
    used = [d for d in facts.graph.dependencies if (d.source, d.target) == (caller, f.secondary)]
    errors, calls = sum(d.errors for d in used), sum(d.calls for d in used)
    return (
        f"Errors on {facts.name(caller)} → {facts.name(f.secondary)} stay at the observed {errors}"
        f" of {calls} or below."
    )


def _none_seen(facts: Facts, c: Component, without: list[Dependency]) -> Draft:
    name = facts.name(c.id)
    callers = tuple(dict.fromkeys(d.source for d in without))
    return Draft(
        phase=Phase.ACTIVATE_BACKUPS,
        title=f"Decide how to go on without {name}: no working fallback was observed",
        actions=(
            *(_alone(facts, d) for d in without[:MAX_LISTED]),
            *and_others(without),
            *_unproven(facts, c),
            *_entry(facts, c),
        ),
        verifications=_quiet(facts, c, without),
        rollback=(f"Undo each temporary route once {name} answers.",),
        owners=(c.id, *callers),
        components=(c.id, *callers),
        evidence=cited(c.evidence, *(d.evidence for d in without)),
    )


def _alone(facts: Facts, d: Dependency) -> str:
    caller, failed = facts.name(d.source), facts.name(d.target)
    lost = [f for f in facts.fallbacks(d.source, d.target) if f.secondary in facts.down]
    if lost:
        names = listed(facts.name(f.secondary) for f in lost)
        return (
            f"{caller}: do not count on {names}; it was its fallback for {failed}, and the same"
            " outage takes it along."
        )
    seen = d.absorbed + d.propagated
    if not seen:
        return (
            f"{caller}: {failed} never failed for it in the window, so nothing shows that it can do"
            " without. Keep it on hold."
        )
    if not d.absorbed:
        return f"{caller}: it survived none of {seen} failures of {failed}. Keep it on hold."
    return (
        f"{caller}: it survived {d.absorbed} of {seen} failures of {failed}, retries included. Let"
        " it run without only if that is enough."
    )


def _unproven(facts: Facts, c: Component) -> Iterator[str]:
    """Other models, and other providers of this one: possible, but not seen standing in."""
    if c.kind is not ComponentKind.MODEL:
        return
    if len(c.providers) > 1:
        yield (
            f"{facts.name(c.id)} was seen through {listed(c.providers)}: if only one of them is"
            " out, use another."
        )
    others = [
        m
        for m in facts.graph.components
        if m.kind is ComponentKind.MODEL and m.id not in facts.down and m.invocations
    ]
    if others:
        seen = listed(f"{facts.name(m.id)} ({m.errors} of {m.invocations} failed)" for m in others)
        yield (
            f"Other models in use, none of them seen standing in for it: {seen}. Try one on few"
            " runs first."
        )


def _entry(facts: Facts, c: Component) -> Iterator[str]:
    for w in facts.graph.workflows:
        if c.id in (w.root_component, w.entry):
            yield (
                f"{w.name} starts in {facts.name(c.id)}: hold its runs back or queue them; nothing"
                " before it could reroute them."
            )


def _quiet(facts: Facts, c: Component, without: list[Dependency]) -> tuple[str, ...]:
    if without:
        callers = (facts.component(d.source) for d in without[:MAX_LISTED])
        return tuple(
            f"{facts.name(m.id)} fails no more often than the observed {m.errors} of"
            f" {m.invocations}."
            for m in callers
        )
    return (f"No run that needs {facts.name(c.id)} starts.",)
