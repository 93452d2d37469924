"""Severity: the worst workflow's loss, weighted by what is at stake in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentguard.simulation.model import BlastRadius, Severity, Thresholds
from agentguard.simulation.stakes import Stake


@dataclass(frozen=True, slots=True)
class Loss:
    """What one workflow loses."""

    workflow: str
    """Id."""
    name: str
    share: float
    """Share of its runs, 0 to 1."""
    recorded: bool
    """False where no run of it was recorded: by the structural rules, it fails."""


@dataclass(frozen=True, slots=True)
class Judgment:
    """A severity, and the workflow that decides it."""

    severity: Severity
    reason: str
    workflow: str | None


def weighted(share: float, stake: Stake) -> float:
    """Return a share of lost runs, weighted: 0 to 1, rising with the share and the weight."""
    return min(1.0, share * stake.weight)


def judge(
    losses: Iterable[Loss], stakes: Mapping[str, Stake], thresholds: Thresholds
) -> Judgment | None:
    """Return the severity of the worst loss; None where no workflow loses anything.

    Never an average: other workflows' runs do not make a loss smaller. Equal losses are decided by
    the larger share, then by id.
    """
    worst = max(
        losses,
        key=lambda loss: (weighted(loss.share, stakes[loss.workflow]), loss.share, loss.workflow),
        default=None,
    )
    if worst is None or worst.share <= 0:
        return None
    stake = stakes[worst.workflow]
    severity = thresholds.severity(weighted(worst.share, stake))
    return Judgment(severity, f"{_what(worst)} ({stake.reason})", worst.workflow)


def judge_components(radius: BlastRadius, thresholds: Thresholds) -> Judgment:
    """Return the severity by the share of components hit, for a graph without workflows."""
    return Judgment(
        thresholds.severity(radius.components_share),
        f"no workflow is known; {radius.components_hit} of {radius.components} components hit",
        None,
    )


NOTHING_LOST = Judgment(Severity.LOW, "no workflow loses a run", None)


def _what(loss: Loss) -> str:
    if not loss.recorded:
        return f"{loss.name} fails; no run of it was recorded"
    return f"{loss.name} loses {_percent(loss.share)} of its runs"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"
