"""Entry points that are health checks and pollers, by their names or by who asks."""

from __future__ import annotations

from collections.abc import Iterable

from agentguard.discovery.classification import Classification
from agentguard.kernel.patterns import Pattern

_PROBER = "agentguard.prober"
"""The product that asks, where it only probes."""


def is_housekeeping(served: Classification, patterns: Iterable[Pattern]) -> bool:
    """Return whether what is served is a health check or poll; without patterns nothing is."""
    probed = any(key == _PROBER for key, _ in served.attributes)
    names = (served.route, served.span_name)
    return any(probed or any(map(p.found, names)) for p in patterns)
