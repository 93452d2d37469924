"""Minutes 15 to 30: restore the component, then traffic, callees before callers."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Dependency, Workflow
from agentguard.playbooks.facts import (
    MAX_LISTED,
    Facts,
    and_others,
    cited,
    edge,
    listed,
    within_baseline,
)
from agentguard.playbooks.model import Draft, Phase


def recover(facts: Facts) -> Iterator[Draft]:
    """Yield the steps of the last phase."""
    for c in facts.failed:
        yield _restore(facts, c)
    if facts.result.components or any(facts.calls_to(c.id) for c in facts.failed):
        yield _resume(facts)
    if facts.result.workflows:
        yield _verify(facts)


def _restore(facts: Facts, c: Component) -> Draft:
    name, needs = facts.name(c.id), facts.calls_from(c.id)
    return Draft(
        phase=Phase.RECOVER,
        title=f"Restore {name}",
        actions=(
            *(_check_callee(facts, d) for d in needs[:MAX_LISTED]),
            *and_others(needs),
            _repair(name, c),
        ),
        verifications=(
            within_baseline(f"Failures of {name}", c.errors, c.invocations, "invocations"),
        ),
        rollback=(f"If {name} fails again, keep its callers paused and stay on the backups.",),
        owners=(c.id,),
        components=(c.id, *dict.fromkeys(d.target for d in needs)),
        evidence=cited(c.evidence, *(d.evidence for d in needs)),
    )


def _check_callee(facts: Facts, d: Dependency) -> str:
    return (
        f"Check {facts.name(d.target)} first: {facts.name(d.source)} depends on it ({d.errors} of"
        f" {d.calls} calls failed)."
    )


def _repair(name: str, c: Component) -> str:
    """Return the action for what runs it: a model's provider, an outside operator, or a service."""
    match c.kind:
        case ComponentKind.MODEL:
            return _repair_model(name, c)
        case ComponentKind.EXTERNAL:
            return f"Check the status of {name} with its operator: it emits no spans."
        case ComponentKind.DATASTORE | ComponentKind.QUEUE:
            return f"Restart or repair {name}{_where('used by', c)}."
        case _:
            return f"Restart or repair {name}{_where('runs in', c)}."


def _repair_model(name: str, c: Component) -> str:
    if not c.providers:
        return f"Check the service that serves {name}: the window names no provider."
    return (
        f"Check the status, quota, rate limits and credentials of the provider of {name}:"
        f" {listed(c.providers)}."
    )


def _where(relation: str, c: Component) -> str:
    return f" ({relation} {listed(c.services)})" if c.services else ""


def _resume(facts: Facts) -> Draft:
    edges = _callees_first(facts)
    return Draft(
        phase=Phase.RECOVER,
        title="Restore traffic gradually, callees before callers",
        actions=(
            *(f"Resume {edge(facts, d)} with a few calls first." for d in edges[:MAX_LISTED]),
            *and_others(edges),
        ),
        verifications=tuple(
            within_baseline(f"Errors on {edge(facts, d)}", d.errors, d.calls, "calls")
            for d in edges[:MAX_LISTED]
        ),
        rollback=("If errors rise, pause the dependency that was resumed last.",),
        owners=tuple(dict.fromkeys(d.source for d in edges)),
        components=tuple(dict.fromkeys(id_ for d in edges for id_ in (d.target, d.source))),
        evidence=cited(*(d.evidence for d in edges)),
    )


def _callees_first(facts: Facts) -> list[Dependency]:
    """Return the dependencies that carried the failure, nearest to its origin first."""
    by_ends: dict[tuple[str, str], Dependency] = {}
    for d in facts.graph.dependencies:
        by_ends.setdefault((d.source, d.target), d)
    edges = {(d.source, d.target): d for c in facts.failed for d in facts.calls_to(c.id)}
    for c in facts.result.components:
        for step in c.path:
            if (step.source, step.target) in by_ends:
                edges.setdefault((step.source, step.target), by_ends[step.source, step.target])
    return list(edges.values())


def _verify(facts: Facts) -> Draft:
    seen = {w.id: w for w in facts.graph.workflows}
    workflows = [seen[w.id] for w in facts.result.workflows]
    return Draft(
        phase=Phase.RECOVER,
        title=f"Verify {listed(w.name for w in workflows)}, then rerun what failed",
        actions=tuple(_rerun(w) for w in workflows),
        verifications=tuple(
            within_baseline(f"Failures of {w.name}", w.failed, w.runs, "runs") for w in workflows
        ),
        rollback=("If a workflow fails again, pause its runs and repeat this phase.",),
        owners=tuple(w.id for w in workflows),
        components=tuple(dict.fromkeys(w.root_component for w in workflows)),
        evidence=cited(*(w.evidence for w in workflows)),
    )


def _rerun(w: Workflow) -> str:
    return (
        f"Start one run of {w.name} and follow its trace to the end, then rerun the runs that"
        " failed during the outage."
    )
