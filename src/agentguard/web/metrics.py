"""Metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agentguard.bootstrap.app import Serving
from agentguard.bootstrap.audit_health import AuditCondition
from agentguard.graph.model import Graph
from agentguard.health import Condition, Status
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.notifications.store import Counts
from agentguard.retention.policy import Usage
from agentguard.web.audit_metrics import audit_families

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics(Collector):
    """The metrics of one application, in their own registry; each process counts its own."""

    def __init__(self, serving: Serving, process: str | None = None) -> None:
        """`process` labels every metric where several processes serve one address."""
        self.registry = CollectorRegistry()
        self._process = process
        self.acknowledged = Histogram(
            "agentguard_acknowledgement_seconds",
            "Time from the first byte of a delivery to its successful response.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.rejected = Counter(
            "agentguard_otlp_requests_rejected",
            "Deliveries that got an error response.",
            ["status"],
            registry=self.registry,
        )
        self.discarded = Counter(
            "agentguard_otlp_records_discarded",
            "Log records and metrics received over OTLP and discarded.",
            ["signal"],
            registry=self.registry,
        )
        self._part_up = Gauge(
            "agentguard_part_up",
            "1 if the part is up, as in /health/ready.",
            ["part"],
            registry=self.registry,
        )
        self._part_seconds = Gauge(
            "agentguard_part_check_seconds",
            "Duration of the part's last health check.",
            ["part"],
            registry=self.registry,
        )
        self.registry.register(_Collected(lambda: _families(serving)))
        self._notifications = Gauge(
            "agentguard_notifications",
            "Stored notifications about incidents.",
            ["receiver", "state"],
            registry=self.registry,
        )
        self._audit: AuditCondition | None = None
        self.registry.register(_Collected(self._of_audit_log))

    def tell_health(self, conditions: Mapping[str, Condition]) -> None:
        """Set the metrics of the parts from their health checks."""
        for name, condition in conditions.items():
            self._part_up.labels(name).set(condition.status is Status.UP)
            self._part_seconds.labels(name).set(condition.seconds)

    def tell_notifications(self, counts: Counts) -> None:
        """Set the number of notifications per receiver and state."""
        self._notifications.clear()
        for (receiver, state), number in counts.items():
            self._notifications.labels(receiver.value, state.value).set(number)

    def tell_audit(self, found: AuditCondition | None) -> None:
        """Set the metrics of the audit log; None: unknown."""
        self._audit = found

    def _of_audit_log(self) -> Iterable[Metric]:
        return () if self._audit is None else audit_families(self._audit)

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics, as a registry does."""
        for metric in self.registry.collect():
            if self._process is not None:
                metric.samples = [
                    sample._replace(labels={**sample.labels, "process": self._process})
                    for sample in metric.samples
                ]
            yield metric


class _Collected(Collector):
    """Metrics that other objects count, read at each scrape."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()

    def describe(self) -> Iterable[Metric]:
        return ()


def _families(serving: Serving) -> Iterable[Metric]:
    receiver, live = serving.receiver, serving.live
    received = CounterMetricFamily(
        "agentguard_spans_received", "Spans made durable and acknowledged."
    )
    received.add_metric([], receiver.received)
    yield received
    refused = CounterMetricFamily(
        "agentguard_spans_refused",
        "Refused spans, and deliveries that cannot be read.",
        labels=["reason"],
    )
    for reason, count in sorted(receiver.refused.items()):
        refused.add_metric([reason], count)
    yield refused
    if live.graph is not None:  # otherwise another process builds the live graph
        yield from _of_window(live.graph)
    yield from _stored(serving.housekeeping.usage)


def _stored(usage: Mapping[str, Usage]) -> Iterable[Metric]:
    """Yield what each kind of kept data occupied at the last round of housekeeping."""
    size = GaugeMetricFamily("agentguard_stored_bytes", "Bytes of kept data.", labels=["kind"])
    items = GaugeMetricFamily(
        "agentguard_stored_items", "Number of kept items of data.", labels=["kind"]
    )
    oldest = GaugeMetricFamily(
        "agentguard_stored_oldest_timestamp_seconds",
        "Time of the oldest kept item, as Unix time.",
        labels=["kind"],
    )
    for kind, found in usage.items():
        size.add_metric([kind], found.bytes)
        items.add_metric([kind], found.count)
        if found.oldest is not None:
            oldest.add_metric([kind], found.oldest / NS_PER_SECOND)
    yield from (size, items, oldest)


def _of_window(graph: Graph) -> Iterable[Metric]:
    unattributed = GaugeMetricFamily(
        "agentguard_spans_unattributed",
        "Spans of the live graph's window that no dialect gives a role.",
    )
    unattributed.add_metric([], sum(graph.coverage.unattributed.values()))
    yield unattributed
    spans = GaugeMetricFamily(
        "agentguard_spans_in_window", "Distinct spans of the live graph's window."
    )
    spans.add_metric([], graph.coverage.spans)
    yield spans
