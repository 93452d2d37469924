"""What the demo systems counted, as documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from demo.counting import Counts, total


def summary(counted: Mapping[str, Counts]) -> dict[str, Any]:
    """Return the totals, overall and by system."""
    return {
        **_totals(total(counted.values())),
        "systems": {name: _totals(counts) for name, counts in counted.items()},
    }


def _totals(counts: Counts) -> dict[str, int]:
    return {
        "runs": counts.runs.total(),
        "failed_runs": counts.failed_runs.total(),
        "agent_runs": counts.invocations.total(),
        "model_calls": _to("model:", counts.calls),
        "model_errors": _to("model:", counts.errors),
        "tool_calls": _to("tool:", counts.calls),
        "tool_errors": _to("tool:", counts.errors),
        "fallbacks": counts.fallbacks.total(),
        "retries": counts.retries.total(),
        "spans_sent": counts.spans_sent,
        "spans_refused": counts.spans_refused,
    }


def _to(kind: str, edges: Mapping[tuple[str, str], int]) -> int:
    return sum(count for (_, callee), count in edges.items() if callee.startswith(kind))


def truth(counted: Mapping[str, Counts]) -> dict[str, Any]:
    """Return what the telemetry should show: components, edges, runs, retries, fallbacks."""
    counts = total(counted.values())
    return {
        "agents": [
            {"name": name, "runs": runs, "failed": counts.failed_invocations[name]}
            for name, runs in _sorted(counts.invocations)
        ],
        "tools": _callees("tool:", counts),
        "models": [
            {"name": name, "tokens": counts.tokens[name]} for name in _callees("model:", counts)
        ],
        "datastores": _callees("datastore:", counts),
        "workflows": [
            {"name": name, "runs": runs, "failed": counts.failed_runs[name]}
            for name, runs in _sorted(counts.runs)
        ],
        "edges": [
            {"from": caller, "to": callee, "calls": calls, "errors": counts.errors[caller, callee]}
            for (caller, callee), calls in _sorted(counts.calls)
        ],
        "retries": [
            {"caller": caller, "callee": callee, "count": count}
            for (caller, callee), count in _sorted(counts.retries)
        ],
        "fallbacks": [
            {"owner": owner, "primary": primary, "secondary": secondary, "count": count}
            for (owner, primary, secondary), count in _sorted(counts.fallbacks)
        ],
        "spans": counts.spans_sent,
    }


def truth_text(counted: Mapping[str, Counts], seed: int) -> str:
    """Return the same as YAML."""
    return yaml.safe_dump({"seed": seed, **truth(counted)}, sort_keys=False)


def _callees(kind: str, counts: Counts) -> list[str]:
    return sorted(
        {callee.removeprefix(kind) for _, callee in counts.calls if callee.startswith(kind)}
    )


def _sorted(counter: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted((key, count) for key, count in counter.items() if count)
