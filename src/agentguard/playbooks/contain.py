"""Minutes 0 to 5: confirm the outage, pause calls to it, notify users."""

from __future__ import annotations

from collections.abc import Iterator

from agentguard.graph.model import Component, Dependency
from agentguard.playbooks.facts import (
    MAX_LISTED,
    Facts,
    and_others,
    cited,
    edge,
    failures,
    listed,
)
from agentguard.playbooks.model import Draft, Phase
from agentguard.simulation.model import ImpactedWorkflow


def contain(facts: Facts) -> Iterator[Draft]:
    """Yield the steps of the first phase."""
    for c in facts.failed:
        yield _confirm(facts, c)
    for c in facts.failed:
        if facts.calls_to(c.id):
            yield _pause_callers(facts, c)
    if facts.result.workflows:
        yield _notify(facts)


def _confirm(facts: Facts, c: Component) -> Draft:
    name, calls = facts.name(c.id), facts.calls_to(c.id)
    seen = cited(c.evidence, *(d.evidence for d in calls))
    failed = failures(c.evidence, *(d.evidence for d in calls))
    return Draft(
        phase=Phase.CONTAIN,
        title=f"Confirm that {name} is failing",
        actions=(_inspect(name, c), _compare(name, len(failed))),
        verifications=(_confirmed(name, c),),
        rollback=("None needed: this step changes nothing.",),
        owners=(c.id,),
        components=(c.id,),
        evidence=failed or seen,
    )


def _inspect(name: str, c: Component) -> str:
    if not c.invocations:
        return (
            f"Check the newest spans of {name}. The window holds no invocation of it, so there is"
            " no baseline error rate."
        )
    return (
        f"Check the newest spans of {name}. Baseline: {c.errors} of {c.invocations} invocations"
        f" failed ({c.errors / c.invocations:.1%})."
    )


def _compare(name: str, count: int) -> str:
    if not count:
        return (
            f"The window holds no failed span of {name}, so there is no earlier error to compare"
            " with. The cited spans succeeded."
        )
    spans = "failed span" if count == 1 else f"{count} failed spans"
    return (
        f"Compare the current error with the {spans} cited here: the same error suggests a known"
        " cause, a different error a new one."
    )


def _confirmed(name: str, c: Component) -> str:
    if not c.invocations:
        return f"Current invocations of {name} fail."
    return (
        f"The error rate of {name} is clearly above the baseline of {c.errors} of {c.invocations}"
        " invocations."
    )


def _pause_callers(facts: Facts, c: Component) -> Draft:
    name, calls = facts.name(c.id), facts.calls_to(c.id)
    callers = tuple(dict.fromkeys(d.source for d in calls))
    return Draft(
        phase=Phase.CONTAIN,
        title=f"Pause calls to {name}",
        actions=(*(_pause(facts, d) for d in calls[:MAX_LISTED]), *and_others(calls)),
        verifications=tuple(_paused(facts, d) for d in calls[:MAX_LISTED]),
        rollback=(f"When {name} responds, resume the calls as described in the recover phase.",),
        owners=callers,
        components=(c.id, *callers),
        evidence=cited(*(d.evidence for d in calls)),
    )


def _pause(facts: Facts, d: Dependency) -> str:
    calls = "1 call" if d.calls == 1 else f"{d.calls} calls"
    counts = f"{calls}, {d.errors} failed{_runs(facts, d)}"
    action = f"Pause calls {edge(facts, d)} ({counts})."
    if not d.retries:
        return action
    verb = "was a retry" if d.retries == 1 else "were retries"
    return f"{action} {d.retries} of them {verb}: disable retries, which add load in an outage."


def _runs(facts: Facts, d: Dependency) -> str:
    invocations = facts.component(d.source).invocations
    if not (d.source_runs and invocations):
        return ""
    return f", in {d.source_runs} of {invocations} runs of {facts.name(d.source)}"


def _paused(facts: Facts, d: Dependency) -> str:
    return f"No new calls {edge(facts, d)} (baseline: {d.calls} in the window)."


def _notify(facts: Facts) -> Draft:
    workflows = facts.result.workflows
    return Draft(
        phase=Phase.CONTAIN,
        title=f"Notify the users of {listed(w.name for w in workflows)}",
        actions=tuple(_loss(w) for w in workflows),
        verifications=("The owner of each workflow has confirmed the notice.",),
        rollback=("Send the all-clear after the last step of this playbook.",),
        owners=tuple(w.id for w in workflows),
        components=tuple(dict.fromkeys(w.root_component for w in workflows)),
        evidence=cited(*(s.evidence for w in workflows for s in w.path)),
    )


def _loss(w: ImpactedWorkflow) -> str:
    if not w.runs_seen:
        return f"{w.name} fails. No run of it was recorded, so the number lost is unknown."
    lost = (
        f"{w.name} loses {round(w.runs_lost, 1):.10g} of {w.runs_seen} recorded runs ({w.share:.1%}"
    )
    if not w.interval:
        return f"{lost}, worst case)."
    return f"{lost}; 95% interval {w.interval.low:.1%} to {w.interval.high:.1%})."
