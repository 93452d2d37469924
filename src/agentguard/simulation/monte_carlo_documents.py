"""The part of a simulation's document that only the Monte Carlo method fills."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentguard.graph.rates import too_short
from agentguard.simulation.model import SimulationResult
from agentguard.simulation.modes import FailureMode
from agentguard.simulation.monte_carlo_model import ChanceOfFailure, MonteCarlo, Timeout

_NAMED = 3


def monte_carlo_document(result: SimulationResult) -> dict[str, Any] | None:
    """Return the member `monte_carlo`; None with other methods."""
    found = result.monte_carlo
    if found is None:
        return None
    return {
        "trials": found.trials,
        "worlds": found.worlds,
        "faults": [{"id": f.id, "mode": f.mode, "share": f.share} for f in found.faults],
        "components": [_chance(c) for c in found.components],
        "workflows": [_chance(w) for w in found.workflows],
        "runs_lost_per_hour": [
            {"workflow": r.workflow, "expected": r.expected, "bad_hour": r.bad_hour}
            for r in found.rates
        ],
        "runs_lost_per_hour_reason": None if found.rates else too_short(result.observed_seconds),
        "timeouts": [_timeout(t) for t in found.timeouts],
        "notes": list(_notes(found)),
    }


def _chance(c: ChanceOfFailure) -> dict[str, Any]:
    return {
        "id": c.id,
        "probability": c.probability,
        "low": c.low,
        "high": c.high,
        "wrong": c.wrong,
    }


def _timeout(t: Timeout) -> dict[str, Any]:
    return {
        "source": t.source,
        "target": t.target,
        "timeout_seconds": t.timeout_seconds,
        "longest_seconds": t.longest_seconds,
        "share": t.share,
    }


def _notes(found: MonteCarlo) -> Iterator[str]:
    modes = {f.mode.partition(":")[0] for f in found.faults}
    if FailureMode.LATENCY.value in modes:
        yield from _timeout_notes(found.timeouts)
    if FailureMode.WRONG_OUTPUT.value in modes:
        yield (
            "Spans do not show whether a caller checks an answer or a guardrail rejects it: every"
            " wrong answer is taken to be used. Fewer runs end wrong where answers are checked."
        )
    if FailureMode.ERRORS.value in modes:
        yield "The calls of a run are taken to fail independently of each other."


def _timeout_notes(timeouts: tuple[Timeout, ...]) -> Iterator[str]:
    unknown = [t for t in timeouts if t.timeout_seconds is None and t.share > 0]
    if unknown:
        named = ", ".join(f"{t.source} → {t.target}" for t in unknown[:_NAMED])
        more = f" and {len(unknown) - _NAMED} others" if len(unknown) > _NAMED else ""
        yield (
            f"The timeouts of {named}{more} are unknown: no call was seen to time out. The result"
            " counts none of these calls as lost, the worst case all that take longer than any"
            " success."
        )
    yield "How long the callers of the workflows themselves wait is not recorded."
