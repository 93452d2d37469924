"""Minutes 15 to 30.

Bring it back, let the load in from the inside out, prove that users are served.
"""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component, Dependency, Workflow
from agentguard.playbooks.facts import MAX_LISTED, Facts, and_others, cited, listed
from agentguard.playbooks.model import Draft, Phase


def recover(facts: Facts) -> Iterator[Draft]:
    """Yield the steps of the last phase."""
    for c in facts.failed:
        yield _restore(facts, c)
    if facts.result.components or any(facts.calls_to(c.id) for c in facts.failed):
        yield _let_in(facts)
    if facts.result.workflows:
        yield _prove(facts)


def _restore(facts: Facts, c: Component) -> Draft:
    name, needs = facts.name(c.id), facts.calls_from(c.id)
    own = (
        f"Check {facts.name(d.target)} first: {name} depends on it ({d.errors} of {d.calls} calls"
        " failed)."
        for d in needs[:MAX_LISTED]
    )
    return Draft(
        phase=Phase.RECOVER,
        title=f"Bring {name} back",
        actions=(*own, *and_others(needs), f"Restart or repair {name}{_where(c)}."),
        verifications=(
            (
                f"{name} fails no more often than the observed {c.errors} of {c.invocations}"
                " invocations."
            ),
        ),
        rollback=(
            (
                "If it fails again, keep its callers on hold and stay with the backups of the steps"
                " before."
            ),
        ),
        owners=(c.id,),
        components=(c.id, *dict.fromkeys(d.target for d in needs)),
        evidence=cited(c.evidence, *(d.evidence for d in needs)),
    )


def _where(c: Component) -> str:
    return f" (seen in {listed(c.services)})" if c.services else ""


def _let_in(facts: Facts) -> Draft:
    edges = _inside_out(facts)
    return Draft(
        phase=Phase.RECOVER,
        title="Let the calls back in, from the inside out",
        actions=(
            *(
                f"Let {_edge(facts, d)} through again, a few calls first."
                for d in edges[:MAX_LISTED]
            ),
            *and_others(edges),
        ),
        verifications=tuple(
            f"Errors on {_edge(facts, d)} are back to the observed {d.errors} of {d.calls} or"
            " below."
            for d in edges[:MAX_LISTED]
        ),
        rollback=("Hold the last edge let through again if its errors rise.",),
        owners=tuple(dict.fromkeys(d.source for d in edges)),
        components=tuple(dict.fromkeys(id_ for d in edges for id_ in (d.target, d.source))),
        evidence=cited(*(d.evidence for d in edges)),
    )


def _edge(facts: Facts, d: Dependency) -> str:
    return f"{facts.name(d.source)} → {facts.name(d.target)}"


def _inside_out(facts: Facts) -> list[Dependency]:
    """The edges along which the failure rose.

    Those of the failed components first, then callers by their distance.
    """
    by_ends: dict[tuple[str, str], Dependency] = {}
    for d in facts.graph.dependencies:
        by_ends.setdefault((d.source, d.target), d)
    edges = {(d.source, d.target): d for c in facts.failed for d in facts.calls_to(c.id)}
    for c in facts.result.components:
        for step in c.path:
            if (step.source, step.target) in by_ends:
                edges.setdefault((step.source, step.target), by_ends[step.source, step.target])
    return list(edges.values())


def _prove(facts: Facts) -> Draft:
    seen = {w.id: w for w in facts.graph.workflows}
    workflows = [seen[w.id] for w in facts.result.workflows]
    return Draft(
        phase=Phase.RECOVER,
        title=(
            f"Prove that {listed(w.name for w in workflows)} works, and make up for what was lost"
        ),
        actions=tuple(_catch_up(w) for w in workflows),
        verifications=tuple(
            f"{w.name}: no more failed runs than the observed {w.failed} of {w.runs}."
            for w in workflows
        ),
        rollback=(
            (
                "Hold a workflow's runs again if they fail, and go back to the first step of this"
                " phase."
            ),
        ),
        owners=tuple(w.id for w in workflows),
        components=tuple(dict.fromkeys(w.root_component for w in workflows)),
        evidence=cited(*(w.evidence for w in workflows)),
    )


def _catch_up(w: Workflow) -> str:
    return (
        f"Start one run of {w.name} and follow its trace to the end; then repeat the runs that"
        " failed during the outage."
    )
