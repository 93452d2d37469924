"""What a process counts about itself, independently of its telemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

Edge = tuple[str, str]


@dataclass(slots=True)
class Counts:
    """Calls and errors by (caller, callee), runs by entry point, retries and fallbacks."""

    calls: Counter[Edge] = field(default_factory=Counter)
    errors: Counter[Edge] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    failed_runs: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    failed_invocations: Counter[str] = field(default_factory=Counter)
    retries: Counter[Edge] = field(default_factory=Counter)
    fallbacks: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(owner, primary, secondary)."""
    tokens: Counter[str] = field(default_factory=Counter)
    """Model → input and output tokens, as reported by the replies."""
    served: Counter[str] = field(default_factory=Counter)
    """Service → requests that it served."""
    failed_served: Counter[str] = field(default_factory=Counter)
    wrong_invocations: Counter[str] = field(default_factory=Counter)
    wrong_served: Counter[str] = field(default_factory=Counter)
    spans_sent: int = 0
    spans_refused: int = 0

    def called(self, caller: str, callee: str, *, failed: bool) -> None:
        """Count one attempt."""
        self.calls[caller, callee] += 1
        self.errors[caller, callee] += failed

    def ran(self, entry: str, *, failed: bool) -> None:
        """Count one run of a workflow."""
        self.runs[entry] += 1
        self.failed_runs[entry] += failed

    def invoked(self, agent: str, *, failed: bool, wrong: bool = False) -> None:
        """Count one invocation of an agent."""
        self.invocations[agent] += 1
        self.failed_invocations[agent] += failed
        self.wrong_invocations[agent] += wrong

    def answered(self, service: str, *, failed: bool, wrong: bool = False) -> None:
        """Count one request that a service has served."""
        self.served[service] += 1
        self.failed_served[service] += failed
        self.wrong_served[service] += wrong

    def tried_instead(self, owner: str, failed: str, now: str) -> None:
        """Count an attempt made because another one failed.

        Of the same callee (retry) or of another (fallback).
        """
        if failed == now:
            self.retries[owner, now] += 1
        else:
            self.fallbacks[owner, failed, now] += 1


def total(parts: Iterable[Counts]) -> Counts:
    """Return the sum of what several processes counted."""
    everything = Counts()
    for part in parts:
        for name in (counter.name for counter in fields(Counts)):
            setattr(everything, name, getattr(everything, name) + getattr(part, name))
    return everything
