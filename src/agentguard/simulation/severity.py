"""Severity: the worst workflow's loss, weighted by what is at stake in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentguard.simulation.model import BlastRadius, Thresholds
from agentguard.simulation.severities import Severity
from agentguard.simulation.stakes import Stake
from agentguard.simulation.wording import percent


@dataclass(frozen=True, slots=True)
class Loss:
    """What one workflow loses."""

    workflow: str
    """Id."""
    name: str
    share: float
    """Share of its runs, 0 to 1; without recorded runs the probability that it fails."""
    recorded: bool
    """False where no run of it was recorded."""


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
    return Judgment(severity, f"{loss_in_words(worst)} ({stake.reason})", worst.workflow)


def judge_components(radius: BlastRadius, thresholds: Thresholds) -> Judgment:
    """Return the severity by the share of components hit, for a graph without workflows."""
    return Judgment(
        thresholds.severity(radius.components_share),
        f"no workflow is known; {radius.components_hit} of {radius.components} components hit",
        None,
    )


NOTHING_LOST = Judgment(Severity.LOW, "no workflow loses a run", None)


def loss_in_words(loss: Loss) -> str:
    """Return the loss as a clause, without a full stop."""
    if loss.recorded:
        return f"{loss.name} loses {percent(loss.share)}% of its runs"
    chance = f" with a probability of {percent(loss.share)}%" if loss.share < 1 else ""
    return f"{loss.name} fails{chance}; no run of it was recorded"
