"""A check and what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from agentguard.kernel.errors import AgentGuardError


class Finding(StrEnum):
    """How something is."""

    FINE = "fine"
    WARNING = "warning"
    """It works, but not as somebody may believe."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    finding: Finding
    detail: str


@dataclass(frozen=True, slots=True)
class Group:
    """Checks that look at one thing."""

    name: str
    look: Callable[[], Iterator[Check]]

    def checks(self) -> list[Check]:
        """Look; that something cannot be looked at is a finding too."""
        found: list[Check] = []
        try:
            found.extend(self.look())
        except (OSError, AgentGuardError) as error:
            found.append(Check(self.name, Finding.BROKEN, str(error)))
        return found


def diagnosis_document(checks: tuple[Check, ...]) -> dict[str, Any]:
    """Return the document of `agentguard doctor --format json`."""
    worst = next(
        (f for f in (Finding.BROKEN, Finding.WARNING) if any(c.finding is f for c in checks)),
        Finding.FINE,
    )
    return {
        "finding": worst.value,
        "checks": [asdict(check) | {"finding": check.finding.value} for check in checks],
    }
