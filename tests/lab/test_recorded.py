"""The lab's short form: recorded faults against the predictions of this code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from agentguard.simulation.model import Method
from lab.experiment import NAIVE, Case, predicted
from lab.injections import Mode
from lab.parts import NOISY, QUIETER, Conditions, Part
from lab.scoring import Scores, score

pytestmark = pytest.mark.xdist_group("lab-recorded")

FOLDER = Path(__file__).parent.parent / "data" / "lab"
SYSTEM = "content"


@pytest.fixture(scope="module")
def noisy() -> Mapping[str, Scores]:
    return scores(NOISY)


@pytest.fixture(scope="module")
def quiet() -> Mapping[str, Scores]:
    return scores(QUIETER)


def scores(conditions: Conditions) -> Mapping[str, Scores]:
    """Return the scores of the outages by method."""
    part = Part.within(FOLDER, SYSTEM, conditions)
    outages = [c for c in predicted(SYSTEM, part, part) if c.injection.mode is Mode.OUTAGE]
    return {method: score([said(case, method) for case in outages]) for method in (*Method, NAIVE)}


def said(case: Case, method: str):
    prediction = case.predictions[method]
    assert prediction is not None, "every method predicts outages"
    return case.truth, prediction


def test_the_record_is_whole(noisy: Mapping[str, Scores], quiet: Mapping[str, Scores]) -> None:
    assert (noisy[NAIVE].pairs, quiet[NAIVE].pairs) == (38, 20)


def test_replay_predicts_a_noisy_window_better_than_the_naive_rule(
    noisy: Mapping[str, Scores],
) -> None:
    replay, naive = noisy[Method.REPLAY], noisy[NAIVE]

    assert replay.brier is not None
    assert naive.brier is not None
    assert replay.brier < naive.brier
    assert replay.interval_score <= 0.5 * naive.interval_score
    assert replay.covered >= 0.8 * replay.pairs
    assert replay.width <= 0.7


def test_the_ranges_of_replay_in_a_quiet_window_say_more_than_the_naive_rule(
    quiet: Mapping[str, Scores],
) -> None:
    replay, naive = quiet[Method.REPLAY], quiet[NAIVE]

    assert replay.interval_score < naive.interval_score
    assert replay.covered >= 0.8 * replay.pairs
    assert replay.width <= 0.8


@pytest.mark.parametrize("method", list(Method))
def test_agents_that_fail_with_it_are_named(method: Method, noisy: Mapping[str, Scores]) -> None:
    agents = noisy[method].agents

    assert agents.recall is not None
    assert agents.precision is not None
    assert agents.recall >= 0.75
    assert agents.precision >= 0.55
