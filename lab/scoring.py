"""Scores of predictions against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.prediction import Prediction, Share
from lab.truth import Lost, Truth

_ALPHA = 0.05
"""The ranges hold 95 %."""


@dataclass(frozen=True, slots=True)
class Hits:
    """How well the components that fail are named."""

    right: int
    named: int
    true: int

    @property
    def precision(self) -> float | None:
        """None: nothing was named."""
        return self.right / self.named if self.named else None

    @property
    def recall(self) -> float | None:
        """None: there was nothing to name."""
        return self.right / self.true if self.true else None


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one method over many faults."""

    pairs: int
    """(fault, workflow) pairs."""
    covered: int
    """Pairs whose true share lies in the stated range."""
    width: float
    """Mean width of the ranges, as a share of the workflow's runs."""
    interval_score: float
    """Mean Winkler score: width, and 2/0.05 times the distance of a truth outside (Gneiting and
    Raftery, 2007). Always saying 0 to 100 % gives 1.
    """
    brier: float | None
    """Mean over the runs, successful without the fault, of faults that lost, or were said to lose,
    a run; None: there is none.
    """
    agents: Hits
    services: Hits


def score(cases: Sequence[tuple[Truth, Prediction]]) -> Scores:
    """Return the scores of one method; at least one case."""
    pairs = [
        (lost, prediction.share(workflow))
        for truth, prediction in cases
        for workflow, lost in truth.workflows.items()
    ]
    return Scores(
        pairs=len(pairs),
        covered=sum(share.low <= lost.share <= share.high for lost, share in pairs),
        width=_mean(share.high - share.low for _, share in pairs),
        interval_score=_mean(winkler(lost.share, share) for lost, share in pairs),
        brier=_brier(cases),
        agents=_hits(cases, "agent:"),
        services=_hits(cases, "service:"),
    )


def winkler(truth: float, share: Share) -> float:
    """Return the interval score of one range; smaller is better."""
    outside = max(share.low - truth, truth - share.high, 0.0)
    return share.high - share.low + 2 / _ALPHA * outside


def _brier(cases: Sequence[tuple[Truth, Prediction]]) -> float | None:
    squares, runs = 0.0, 0
    for truth, prediction in cases:
        told = [(lost, prediction.share(name)) for name, lost in truth.workflows.items()]
        if any(lost.lost or share.value for lost, share in told):
            squares += sum(_squares(lost, share.of_successful) for lost, share in told)
            runs += sum(lost.succeeded for lost, _ in told)
    return squares / runs if runs else None


def _squares(lost: Lost, value: float) -> float:
    return float(lost.lost * (1 - value) ** 2 + (lost.succeeded - lost.lost) * value**2)


def _hits(cases: Sequence[tuple[Truth, Prediction]], kind: str) -> Hits:
    right = named = true = 0
    for truth, prediction in cases:
        real = {each.casefold() for each in truth.hit if each.startswith(kind)}
        said = {each.casefold() for each in prediction.hit if each.startswith(kind)}
        right, named, true = right + len(real & said), named + len(said), true + len(real)
    return Hits(right, named, true)


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
