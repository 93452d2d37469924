"""Metrics of the audit log: sequencing, anchors, published checkpoints."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from agentguard.audit.anchor_standing import Standing
from agentguard.bootstrap.audit_health import AuditCondition


def audit_families(found: AuditCondition) -> Iterable[Metric]:
    """Yield the metrics of the log; what is unknown is left out."""
    pending = "Audit entries that are appended, but not sequenced yet."
    yield _gauge("entries_pending", pending, found.progress.pending)
    failing = "1 if this process sequences the audit log and its last round failed."
    yield _gauge("sequencing_failing", failing, found.failing)
    age = "Seconds since the newest checkpoint of the audit log was signed."
    yield _gauge("checkpoint_age_seconds", age, found.checkpoint_seconds)
    final = "Seconds since the block of the newest final anchor."
    yield _gauge("anchor_finalised_age_seconds", final, found.anchored_seconds)
    yield from _of_anchors(found.standing)


def _of_anchors(standing: Standing) -> Iterable[Metric]:
    last = None if standing.last is None else standing.last.size
    yield _gauge("anchor_entries", "Audit entries that a final anchor covers.", last)
    if standing.place is not None:
        published = "Audit entries that a published checkpoint covers."
        yield _gauge("published_entries", published, standing.published_size)
    states = [] if standing.open is None else [standing.open.state.value]
    yield _labelled("anchor_open", "1 for the state of the anchor that is open.", "state", states)
    codes = [problem.code for problem in standing.problems]
    told = "1 for each problem that anchoring or publishing waits for."
    yield _labelled("anchor_problem", told, "code", codes)


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    family = GaugeMetricFamily(f"agentguard_audit_{name}", meaning)
    if value is not None:
        family.add_metric([], float(value))
    return family


def _labelled(name: str, meaning: str, label: str, values: Iterable[str]) -> Metric:
    family = GaugeMetricFamily(f"agentguard_audit_{name}", meaning, labels=[label])
    for value in dict.fromkeys(values):
        family.add_metric([value], 1.0)
    return family
