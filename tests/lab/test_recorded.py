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
SYSTEMS = ("content", "ecommerce", "topology-1")
"""Of five: the others take as long again. `python -m lab score tests/data/lab` scores all."""


@pytest.fixture(scope="module")
def noisy() -> Mapping[str, Scores]:
    return scores(NOISY)


@pytest.fixture(scope="module")
def quiet() -> Mapping[str, Scores]:
    return scores(QUIETER)


def scores(conditions: Conditions) -> Mapping[str, Scores]:
    """Return the scores of the outages by method."""
    parts = {system: Part.within(FOLDER, system, conditions) for system in SYSTEMS}
    cases = [case for system, part in parts.items() for case in predicted(system, part, part)]
    outages = [case for case in cases if case.injection.mode is Mode.OUTAGE]
    return {method: score([said(case, method) for case in outages]) for method in (*Method, NAIVE)}


def said(case: Case, method: str):
    prediction = case.predictions[method]
    assert prediction is not None, "every method predicts outages"
    return case.truth, prediction


def test_the_record_is_whole(noisy: Mapping[str, Scores], quiet: Mapping[str, Scores]) -> None:
    assert (noisy[NAIVE].pairs, quiet[NAIVE].pairs) == (192, 192)


def test_replay_predicts_a_noisy_window_within_its_ranges(noisy: Mapping[str, Scores]) -> None:
    replay, naive = noisy[Method.REPLAY], noisy[NAIVE]

    assert replay.covered >= 0.95 * replay.pairs
    assert replay.width <= 0.35
    assert replay.interval_score <= 0.4
    assert (replay.brier or 1) <= 0.3 * (naive.brier or 0)


def test_the_ranges_of_replay_in_a_quiet_window_say_more_than_the_naive_rule(
    quiet: Mapping[str, Scores],
) -> None:
    replay, naive = quiet[Method.REPLAY], quiet[NAIVE]

    assert replay.covered >= 0.95 * replay.pairs
    assert replay.interval_score <= 0.65
    assert (replay.brier or 1) < (naive.brier or 0)


@pytest.mark.parametrize("method", [Method.REPLAY, Method.MONTE_CARLO])
def test_what_fails_with_it_is_named(method: Method, noisy: Mapping[str, Scores]) -> None:
    agents, services = noisy[method].agents, noisy[method].services

    assert (agents.recall or 0) >= 0.8
    assert (agents.precision or 0) >= 0.6
    assert (services.recall or 0) >= 0.8
    assert (services.precision or 0) >= 0.7
