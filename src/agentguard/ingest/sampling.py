"""The sampling threshold that OpenTelemetry samplers record in tracestate."""

from __future__ import annotations

from agentguard.kernel.patterns import Pattern

SAMPLING_THRESHOLD = "agentguard.sampling_threshold"
"""The attribute that stores a span's threshold, in hex as written."""

_THRESHOLD = Pattern(r"(?:^|,)\s*ot=(?:[^,;]*;)*th:([0-9a-f]{1,14})(?:[;,\s]|$)")
_ALL = 16**14
_LONGEST = 1024
"""Characters of tracestate that are searched; W3C Trace Context §3.3.1.5 asks for 512."""


def threshold(tracestate: str) -> str | None:
    """Return the rejection threshold, or None if there is none.

    OpenTelemetry specification 1.40, TraceState probability sampling.
    """
    return _THRESHOLD.group(tracestate[:_LONGEST])


def probability(rejection: str) -> float:
    """Return the share of traces that a sampler with this rejection threshold keeps.

    The threshold has 1 to 14 hex digits; trailing zeros may be omitted.
    """
    return 1 - int(rejection.ljust(14, "0"), 16) / _ALL
