"""The sampling threshold that OpenTelemetry samplers record in tracestate."""

from __future__ import annotations

import re

SAMPLING_THRESHOLD = "agentguard.sampling_threshold"
"""The attribute that stores a span's threshold, in hex as written."""

_THRESHOLD = re.compile(r"(?:^|,)\s*ot=(?:[^,;]*;)*th:([0-9a-f]{1,14})(?=[;,\s]|$)")
_ALL = 16**14


def threshold(tracestate: str) -> str | None:
    """Return the rejection threshold, or None if there is none.

    OpenTelemetry specification 1.40, TraceState probability sampling.
    """
    found = _THRESHOLD.search(tracestate[:1024])
    return found.group(1) if found else None


def probability(rejection: str) -> float:
    """Return the share of traces that a sampler with this rejection threshold keeps.

    The threshold has 1 to 14 hex digits; trailing zeros may be omitted.
    """
    return 1 - int(rejection.ljust(14, "0"), 16) / _ALL
