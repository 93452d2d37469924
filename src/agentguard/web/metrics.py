"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agentguard.graph.model import Graph
from agentguard.health import Condition, Status
from agentguard.scan.live import LiveGraph
from agentguard.traces.receiver import Receiver

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics(Collector):
    """One application's metrics, in a registry of their own.

    Of several processes each counts for itself.
    """

    def __init__(self, receiver: Receiver, live: LiveGraph, process: str | None = None) -> None:
        """`process` labels all there is, where other processes answer at the same address."""
        self.registry = CollectorRegistry()
        self._process = process
        self.acknowledged = Histogram(
            "agentguard_acknowledgement_seconds",
            "From a delivery's first byte to its answer with success.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.turned_away = Counter(
            "agentguard_deliveries_turned_away",
            "Deliveries answered with an error.",
            ["status"],
            registry=self.registry,
        )
        self.not_kept = Counter(
            "agentguard_records_not_kept",
            "Log records and metrics received over OTLP; only spans are kept.",
            ["signal"],
            registry=self.registry,
        )
        self._part_up = Gauge(
            "agentguard_part_up",
            "Whether a part works, as /health/ready says.",
            ["part"],
            registry=self.registry,
        )
        self._part_seconds = Gauge(
            "agentguard_part_check_seconds",
            "How long a part took to answer when it was last asked.",
            ["part"],
            registry=self.registry,
        )
        self.registry.register(_Collected(lambda: _families(receiver, live)))

    def tell_health(self, conditions: Mapping[str, Condition]) -> None:
        """Take over how the parts are now."""
        for name, condition in conditions.items():
            self._part_up.labels(name).set(condition.status is Status.UP)
            self._part_seconds.labels(name).set(condition.seconds)

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics (what a registry does)."""
        for metric in self.registry.collect():
            if self._process is not None:
                metric.samples = [
                    sample._replace(labels={**sample.labels, "process": self._process})
                    for sample in metric.samples
                ]
            yield metric


class _Collected(Collector):
    """Numbers that others count, read when asked for."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()

    def describe(self) -> Iterable[Metric]:
        return ()


def _families(receiver: Receiver, live: LiveGraph) -> Iterable[Metric]:
    received = CounterMetricFamily(
        "agentguard_spans_received", "Spans made durable and acknowledged."
    )
    received.add_metric([], receiver.received)
    yield received
    refused = CounterMetricFamily(
        "agentguard_spans_refused",
        "Spans, or deliveries that cannot be read, refused.",
        labels=["reason"],
    )
    for reason, count in sorted(receiver.refused.items()):
        refused.add_metric([reason], count)
    yield refused
    if live.graph is not None:  # otherwise another process sees to it, and tells
        yield from _of_window(live.graph)


def _of_window(graph: Graph) -> Iterable[Metric]:
    unattributed = GaugeMetricFamily(
        "agentguard_spans_unattributed",
        "Spans of the live graph's window in which no dialect sees a role.",
    )
    unattributed.add_metric([], sum(graph.coverage.unattributed.values()))
    yield unattributed
    spans = GaugeMetricFamily(
        "agentguard_spans_in_window", "Distinct spans of the live graph's window."
    )
    spans.add_metric([], graph.coverage.spans)
    yield spans
