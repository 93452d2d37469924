"""Minutes 0 to 5: see that it is so, keep it from spreading, tell those it reaches."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component, Dependency
from agentguard.playbooks.facts import MAX_LISTED, Facts, and_others, cited, failures, listed
from agentguard.playbooks.model import Draft, Phase
from agentguard.simulation.model import ImpactedWorkflow


def contain(facts: Facts) -> Iterator[Draft]:
    """Yield the steps of the first phase."""
    for c in facts.failed:
        yield _confirm(facts, c)
    for c in facts.failed:
        if facts.calls_to(c.id):
            yield _hold_callers(facts, c)
    if facts.result.workflows:
        yield _tell(facts)


def _confirm(facts: Facts, c: Component) -> Draft:
    calls = facts.calls_to(c.id)
    seen = cited(c.evidence, *(d.evidence for d in calls))
    failed = failures(c.evidence, *(d.evidence for d in calls))
    return Draft(
        phase=Phase.CONTAIN,
        title=f"Confirm that {facts.name(c.id)} is out",
        actions=(
            f"Look at the newest spans of {facts.name(c.id)}: {_observed(c)}",
            _signature(facts, c, len(failed)),
        ),
        verifications=(
            (
                f"{facts.name(c.id)} fails clearly more often than the observed {c.errors} of"
                f" {c.invocations} invocations."
            ),
        ),
        rollback=("Nothing to undo: this step only looks.",),
        owners=(c.id,),
        components=(c.id,),
        evidence=failed or seen,
    )


def _observed(c: Component) -> str:
    if not c.invocations:
        return "no invocation was counted in the window, so there is no rate to compare with."
    return (
        f"in the window {c.errors} of {c.invocations} invocations failed"
        f" ({c.errors / c.invocations:.1%})."
    )


def _signature(facts: Facts, c: Component, count: int) -> str:
    if not count:
        return (
            f"No failed span of {facts.name(c.id)} was kept in the window, so there is no error to"
            " compare with; the spans cited succeeded."
        )
    spans = "failed span" if count == 1 else f"{count} failed spans"
    return (
        f"Compare the error with the {spans} cited: the same error points to a known cause, another"
        " to a new one."
    )


def _hold_callers(facts: Facts, c: Component) -> Draft:
    calls = facts.calls_to(c.id)
    return Draft(
        phase=Phase.CONTAIN,
        title=f"Keep the callers of {facts.name(c.id)} from failing with it",
        actions=(*(_hold(facts, d) for d in calls[:MAX_LISTED]), *and_others(calls)),
        verifications=tuple(
            f"No new calls {_edge(facts, d)} (observed: {d.calls} in the window)."
            for d in calls[:MAX_LISTED]
        ),
        rollback=(
            (
                f"Let the calls through again, as the last phase says, once {facts.name(c.id)}"
                " answers."
            ),
        ),
        owners=tuple(dict.fromkeys(d.source for d in calls)),
        components=(c.id, *dict.fromkeys(d.source for d in calls)),
        evidence=cited(*(d.evidence for d in calls)),
    )


def _hold(facts: Facts, d: Dependency) -> str:
    hold = (
        f"Hold the calls {_edge(facts, d)} ({d.calls} calls, {d.errors} failed{_runs(facts, d)})."
    )
    if not d.retries:
        return hold
    return (
        f"{hold} {d.retries} of them were retries: switch retrying off, it only adds load while"
        " nothing answers."
    )


def _runs(facts: Facts, d: Dependency) -> str:
    invocations = facts.component(d.source).invocations
    return (
        f", in {d.source_runs} of {invocations} runs of {facts.name(d.source)}"
        if d.source_runs and invocations
        else ""
    )


def _edge(facts: Facts, d: Dependency) -> str:
    return f"{facts.name(d.source)} → {facts.name(d.target)}"


def _tell(facts: Facts) -> Draft:
    workflows = facts.result.workflows
    return Draft(
        phase=Phase.CONTAIN,
        title=f"Tell the users of {listed(w.name for w in workflows)}",
        actions=tuple(f"{w.name}: {_loss(w)}" for w in workflows),
        verifications=("Whoever answers for each workflow has confirmed the message.",),
        rollback=("Give the all-clear after the last step of this playbook.",),
        owners=tuple(w.id for w in workflows),
        components=tuple(dict.fromkeys(w.root_component for w in workflows)),
        evidence=cited(*(s.evidence for w in workflows for s in w.path)),
    )


def _loss(w: ImpactedWorkflow) -> str:
    if not w.runs_seen:
        return "it fails; no run of it was seen, so nothing says how many."
    lost = f"{w.runs_lost} of {w.runs_seen} recorded runs would have been lost ({w.share:.1%}"
    return (
        f"{lost}; 95 % range {w.interval.low:.1%} to {w.interval.high:.1%})."
        if w.interval
        else f"{lost}, worst case)."
    )
