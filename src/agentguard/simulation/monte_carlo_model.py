"""What only the Monte Carlo method finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChanceOfFailure:
    """How likely a run of a component or workflow fails, or ends with a wrong answer."""

    id: str
    probability: float
    """The mean over what is not known; wrong answers included."""
    low: float
    high: float
    """The 95 % interval over what is not known."""
    wrong: float
    """Of the probability, the part that succeeds with a wrong answer."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Runs lost per hour."""

    workflow: str | None
    """Id; None: all workflows together."""
    expected: float
    bad_hour: float
    """95 % of the hours lose at most this many."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """Calls that would take longer, against their timeout."""

    source: str
    target: str
    timeout_seconds: float | None
    """None: unknown."""
    longest_seconds: float | None
    """The longest recorded success; None: no duration is known."""
    share: float
    """Share of the source's runs with a call that exceeds the timeout; if it is unknown, with a
    call longer than any success, which may time out.
    """


@dataclass(frozen=True, slots=True)
class FaultyComponent:
    """How a component fails."""

    id: str
    mode: str
    share: float
    """Share of its runs in the failing host; 1 where it fails as a whole."""


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """What only the Monte Carlo method finds."""

    trials: int
    worlds: int
    """Draws of what is not known; each has the same number of trials."""
    faults: tuple[FaultyComponent, ...]
    components: tuple[ChanceOfFailure, ...]
    """All that can fail, sorted by id."""
    workflows: tuple[ChanceOfFailure, ...]
    """All, sorted by id."""
    rates: tuple[Rate, ...]
    """By workflow, all together last; empty where too short a time was observed."""
    timeouts: tuple[Timeout, ...]
    """Calls made slower, sorted by source and target."""
