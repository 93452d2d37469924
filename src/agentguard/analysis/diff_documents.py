"""The JSON document of a comparison of two graphs.

`a` is the graph before, `b` the graph after. Evidence is given for each side that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isinf
from typing import Any, TypeAlias, TypeVar

from agentguard.analysis.diff import Difference, SpofOfWorkflow
from agentguard.graph.diff import Changes, Pair
from agentguard.graph.documents import evidence_document
from agentguard.graph.evidence_links import NO_LINKS, TraceLinks
from agentguard.graph.latency import RELATIVE_WIDTH
from agentguard.graph.model import Component, Dependency, Evidence, Workflow
from agentguard.graph.significance import (
    ERROR_SHARE_RULE,
    FEW,
    P95_RULE,
    Comparison,
    Measure,
    Side,
)
from agentguard.kernel.clock import milliseconds

T = TypeVar("T", Component, Dependency, Workflow)
Document: TypeAlias = dict[str, Any]

NO_CATALOG = "No catalog is set, so shadow agents cannot be compared. Set AGENTGUARD_CATALOG."


def diff_document(
    found: Difference,
    *,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    links: TraceLinks = NO_LINKS,
) -> Document:
    """Return the document of `GET /api/graph/diff` and of `agentguard diff --format json`.

    `a` and `b` say which graphs were compared.
    """
    shown = _Shown(links)
    document = {
        "components": shown.changes(found.graph.components, _component),
        "dependencies": shown.changes(found.graph.dependencies, _dependency),
        "workflows": shown.changes(found.graph.workflows, _workflow),
        "shadow_agents": {
            "new": [shown.new(c, _component) for c in found.new_shadows or ()],
            "gone": [shown.gone(c, _component) for c in found.gone_shadows or ()],
            "note": NO_CATALOG if found.new_shadows is None else None,
        },
        "spofs": {
            "new": [shown.new_spof(s) for s in found.new_spofs],
            "gone": [shown.gone_spof(s) for s in found.gone_spofs],
        },
    }
    return {
        "a": dict(a),
        "b": dict(b),
        "same": found.none,
        "summary": _summary(document),
        **document,
        "thresholds": {
            "error_share": ERROR_SHARE_RULE,
            "p95_ms": P95_RULE,
            "confidence": 0.95,
            "few_observations": FEW,
            "bucket_width": RELATIVE_WIDTH,
        },
    }


class _Shown:
    """Shows things with the evidence of the sides that have them."""

    def __init__(self, links: TraceLinks) -> None:
        self._links = links

    def changes(self, changes: Changes[T], show: Callable[[T], Document]) -> Document:
        return {
            "new": [self.new(each, show) for each in changes.new],
            "gone": [self.gone(each, show) for each in changes.gone],
            "changed": [self._pair(each, show) for each in changes.changed],
            "undecided": [self._pair(each, show) for each in changes.undecided],
        }

    def new(self, each: T, show: Callable[[T], Document]) -> Document:
        return show(each) | self._evidence((), each.evidence)

    def gone(self, each: T, show: Callable[[T], Document]) -> Document:
        return show(each) | self._evidence(each.evidence, ())

    def new_spof(self, spof: SpofOfWorkflow) -> Document:
        return _spof(spof) | self._evidence((), spof.evidence)

    def gone_spof(self, spof: SpofOfWorkflow) -> Document:
        return _spof(spof) | self._evidence(spof.evidence, ())

    def _pair(self, pair: Pair[T], show: Callable[[T], Document]) -> Document:
        measures = [_comparison(each) for each in pair.measures]
        evidence = self._evidence(pair.before.evidence, pair.after.evidence)
        return show(pair.after) | {"measures": measures} | evidence

    def _evidence(self, before: Iterable[Evidence], after: Iterable[Evidence]) -> Document:
        sides = {"a": before, "b": after}
        return {
            "evidence": {
                side: [evidence_document(e, self._links) for e in evidence]
                for side, evidence in sides.items()
            }
        }


def _component(c: Component) -> Document:
    return {
        "id": c.id,
        "kind": c.kind.value,
        "name": c.name,
        "invocations": c.invocations,
        "errors": c.errors,
    }


def _dependency(d: Dependency) -> Document:
    return {
        "source": d.source,
        "target": d.target,
        "type": d.type.value,
        "via": d.via,
        "calls": d.calls,
        "errors": d.errors,
    }


def _workflow(w: Workflow) -> Document:
    return {
        "id": w.id,
        "name": w.name,
        "entry": w.entry,
        "root": w.root or None,
        "runs": w.runs,
        "failed": w.failed,
    }


def _spof(s: SpofOfWorkflow) -> Document:
    return {
        "id": s.component,
        "kind": s.kind.value,
        "name": s.name,
        "workflow": s.workflow,
        "workflow_name": s.workflow_name,
    }


def _comparison(c: Comparison) -> Document:
    sides = {"a": _side(c.measure, c.before), "b": _side(c.measure, c.after)}
    return {"measure": c.measure.value, **sides, "why": why(c)}


def _side(measure: Measure, side: Side) -> Document:
    return {
        "value": _value(measure, side.value),
        "low": _value(measure, side.low),
        "high": _value(measure, side.high),
        "observations": side.observations,
        "failed": side.failed,
    }


def _value(measure: Measure, value: float | None) -> float | None:
    """Return a share to six decimals, a duration in ms to two digits; None where unbounded."""
    if value is None or isinf(value):
        return None
    if measure is Measure.ERROR_SHARE:
        return round(value, 6)
    return milliseconds(float(f"{value:.2g}"))


def why(c: Comparison) -> str:
    """Say in one sentence how the two sides compare."""
    return f"{_NAMES[c.measure]} went from {_said(c, c.before)} to {_said(c, c.after)}."


def _said(c: Comparison, side: Side) -> str:
    if c.measure is Measure.ERROR_SHARE:
        share = f"{side.value or 0:.1%}"
        interval = f"{side.low:.1%} to {side.high:.1%}"
        return f"{share} ({side.failed} of {side.observations}; 95% interval {interval})"
    high = _value(c.measure, side.high)
    interval = f"{_value(c.measure, side.low):g} ms to {'any' if high is None else f'{high:g} ms'}"
    value = f"{_value(c.measure, side.value):g} ms"
    return f"{value} ({side.observations} timed; 95% interval {interval})"


def _summary(document: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    return {
        kind: {name: len(listed) for name, listed in changes.items() if isinstance(listed, list)}
        for kind, changes in document.items()
    }


_NAMES = {Measure.ERROR_SHARE: "The share of failures", Measure.P95_MS: "The p95 of the latency"}
