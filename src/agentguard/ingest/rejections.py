"""Counts rejected spans by payload and reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentguard.ingest.payloads import Refusal

WITHOUT_IDS = "span-without-ids"
NEGATIVE = "negative-duration"
NEGATIVE_MESSAGE = (
    "The span ends before it starts. It is kept, but its duration is unknown. Check the sender's"
    " clock."
)


@dataclass(slots=True)
class Rejections:
    """Aggregates errors; equal ones become one refusal with the location of the first."""

    _found: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    _times: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(
        self,
        origin: str,
        position: int,
        reason: str,
        message: str,
        *,
        times: int = 1,
        lost: bool = True,
    ) -> None:
        """Count `times` errors of one reason in a payload, the first at span `position` (from 0).

        `lost`: the spans are dropped.
        """
        key = origin, reason
        known = self._found.get(key)
        spans = times if lost else 0
        self._found[key] = Refusal(
            known.origin if known else f"{origin}, span {position + 1}",
            reason,
            known.message if known else message,
            spans + (known.spans if known else 0),
        )
        self._times[key] = self._times.get(key, 0) + times

    def refusals(self) -> list[Refusal]:
        """Return one refusal per payload and reason."""
        return [self._with_count(refusal, self._times[key]) for key, refusal in self._found.items()]

    @staticmethod
    def _with_count(refusal: Refusal, times: int) -> Refusal:
        if times == 1:
            return refusal
        return Refusal(
            refusal.origin,
            refusal.reason,
            f"{refusal.message} {times:,} spans of this payload are affected.",
            refusal.spans,
        )
