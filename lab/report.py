"""The lab's table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.experiment import METHODS, Case
from lab.scoring import Hits, Scores, score

_HEAD = (
    "| window | method | truth in range | mean width | interval score | Brier | agents P / R |"
    " services P / R |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(windows: Sequence[tuple[str, Sequence[Case]]]) -> str:
    """Return the scores as Markdown; each window has a name and its cases."""
    rows = [row for name, cases in windows for row in _rows(name, cases)]
    return "\n".join((_HEAD, *rows)) + "\n"


def details(cases: Sequence[Case], method: str) -> Iterator[str]:
    """Yield a line for each workflow whose loss lies outside the range that the method stated."""
    for case in cases:
        for workflow, lost in sorted(case.truth.workflows.items()):
            said = case.predictions[method].share(workflow)
            if not said.low <= lost.share <= said.high:
                yield (
                    f"{case.system} {case.outage.reference}: {workflow} lost {lost.lost} of"
                    f" {lost.seen}; said {said.value:.2f} ({said.low:.2f} to {said.high:.2f})"
                )


def _rows(name: str, cases: Sequence[Case]) -> Iterator[str]:
    for method in METHODS:
        scores = score([(case.truth, case.predictions[method]) for case in cases])
        cells = (name, method, *_cells(scores))
        yield f"| {' | '.join(cells)} |"


def _cells(scores: Scores) -> Iterator[str]:
    yield f"{scores.covered} of {scores.pairs}"
    yield f"{scores.width:.3f}"
    yield f"{scores.interval_score:.2f}"
    yield "–" if scores.brier is None else f"{scores.brier:.3f}"
    yield _shares(scores.agents)
    yield _shares(scores.services)


def _shares(hits: Hits) -> str:
    return " / ".join("–" if s is None else f"{s:.2f}" for s in (hits.precision, hits.recall))
