"""Checks and their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from agentguard.kernel.errors import AgentGuardError


class Finding(StrEnum):
    """The result of a check."""

    FINE = "fine"
    WARNING = "warning"
    """It works, but possibly not as intended."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its finding."""

    name: str
    finding: Finding
    detail: str


@dataclass(frozen=True, slots=True)
class Group:
    """Checks of one subject."""

    name: str
    run: Callable[[], Iterator[Check]]

    def checks(self) -> list[Check]:
        """Run the checks; an expected error of theirs becomes a BROKEN finding."""
        found: list[Check] = []
        try:
            found.extend(self.run())
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
