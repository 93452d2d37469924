"""The check that a component has recovered, by the signal of its template."""

from __future__ import annotations

from agentguard.graph.model import Component
from agentguard.playbooks.facts import MAX_LISTED, Facts, edge
from agentguard.playbooks.signals import CHECK_CALLS, calls_check, error_check, latency_check
from agentguard.playbooks.templates import Signal


def signal_check(known: Facts, c: Component) -> str:
    """Return the check of one component, with what the signal was in the window."""
    name, seconds = known.name(c.id), known.result.observed_seconds
    match known.template.signal:
        case Signal.LATENCY:
            return latency_check(name, c.latency, seconds)
        case Signal.QUEUE_DELAY:
            return _queue_delay(known, c)
        case Signal.CALLS_PER_RUN:
            return _calls_per_run(known, c)
        case Signal.INVOCATIONS:
            were = f"there were {c.invocations} in the window"
            return f"No invocation of {name} in the next 10 min; {were}."
        case Signal.ANSWERS:
            return (
                f"A person finds {CHECK_CALLS} new answers of {name} right; no span measures that."
            )
        case _:
            return error_check(f"Error share of {name}", c.errors, c.invocations, "calls", seconds)


def workflow_checks(known: Facts) -> tuple[str, ...]:
    """Return the check of each workflow that may lose runs, the largest loss first."""
    seconds = known.result.observed_seconds
    return tuple(
        error_check(f"Failed runs of {w.name}", w.failed, w.runs, "runs", seconds)
        for w in known.workflows[:MAX_LISTED]
    )


def _queue_delay(known: Facts, c: Component) -> str:
    of_queue = [
        d.queue_delay
        for d in known.graph.dependencies
        if c.id in (d.source, d.target) or d.via == c.name
    ]
    most = max(of_queue, key=lambda rows: sum(n for _, n in rows), default=())
    name = known.name(c.id)
    if not most:
        return f"The oldest message in {name} gets younger; the window holds no delay to compare."
    subject = f"the delay in {name}"
    return latency_check(subject, most, known.result.observed_seconds)


def _calls_per_run(known: Facts, c: Component) -> str:
    most = max(known.calls_from(c.id), key=lambda d: d.calls, default=None)
    if most is None:
        return calls_check(known.name(c.id), 0, 0)
    return calls_check(edge(known, most), most.calls, most.source_runs)
