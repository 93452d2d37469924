"""The lab's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lab.experiment import METHODS, Case
from lab.injections import Mode
from lab.scoring import Hits, Scores, score

_COLUMNS = (
    "method",
    "predicted",
    "truth in range",
    "mean width",
    "interval score",
    "Brier",
    "agents P / R",
    "services P / R",
)
Windows = Sequence[tuple[str, Sequence[Case]]]
"""Each with its name and its cases."""


def table(windows: Windows) -> str:
    """Return the scores of the outages of each window."""
    return _table("window", ((name, _outages(cases)) for name, cases in windows))


def table_by_mode(windows: Windows) -> str:
    """Return the scores of the faults other than outages, by what they do."""
    return _table(
        "window, fault",
        (
            (f"{name}, {mode.value}", [c for c in cases if c.injection.mode is mode])
            for name, cases in windows
            for mode in Mode
            if mode is not Mode.OUTAGE
        ),
    )


def table_by_system(windows: Windows) -> str:
    """Return the scores of the outages of each system."""
    return _table_by(windows, "window, system", lambda case: case.system)


def table_by_kind(windows: Windows) -> str:
    """Return the scores of the outages by kind of component."""
    return _table_by(windows, "window, outage of a", lambda case: case.injection.kind.value)


def details(cases: Sequence[Case], method: str) -> Iterator[str]:
    """Yield a line for each workflow whose loss lies outside the range that the method stated."""
    for case in cases:
        prediction = case.predictions[method]
        if prediction is None:
            continue
        for workflow, lost in sorted(case.truth.workflows.items()):
            said = prediction.share(workflow)
            if not said.low <= lost.share <= said.high:
                yield (
                    f"{case.system}, {case.injection.label}: {workflow} lost {lost.lost} of"
                    f" {lost.seen}; said {said.value:.2f} ({said.low:.2f} to {said.high:.2f})"
                )


def _table_by(windows: Windows, label: str, group: Callable[[Case], str]) -> str:
    return _table(
        label,
        (
            (f"{name}, {wanted}", [c for c in _outages(cases) if group(c) == wanted])
            for name, cases in windows
            for wanted in dict.fromkeys(group(case) for case in _outages(cases))
        ),
    )


def _table(label: str, groups: Iterator[tuple[str, Sequence[Case]]]) -> str:
    rows = [row for name, cases in groups if cases for row in _rows(name, cases)]
    head = f"| {' | '.join((label, *_COLUMNS))} |", f"|{' --- |' * (1 + len(_COLUMNS))}"
    return "\n".join((*head, *rows)) + "\n" if rows else ""


def _outages(cases: Sequence[Case]) -> Sequence[Case]:
    return [case for case in cases if case.injection.mode is Mode.OUTAGE]


def _rows(name: str, cases: Sequence[Case]) -> Iterator[str]:
    for method in METHODS:
        said = [(case.truth, case.predictions[method]) for case in cases]
        known = [(truth, prediction) for truth, prediction in said if prediction is not None]
        cells = _cells(score(known)) if known else ("–",) * (len(_COLUMNS) - 2)
        predicted = f"{len(known)} of {len(said)}" if known else "not predicted"
        yield f"| {' | '.join((name, method, predicted, *cells))} |"


def _cells(scores: Scores) -> Iterator[str]:
    yield f"{scores.covered} of {scores.pairs}"
    yield f"{scores.width:.3f}"
    yield f"{scores.interval_score:.2f}"
    yield "–" if scores.brier is None else f"{scores.brier:.3f}"
    yield _shares(scores.agents)
    yield _shares(scores.services)


def _shares(hits: Hits) -> str:
    return " / ".join("–" if s is None else f"{s:.2f}" for s in (hits.precision, hits.recall))
