"""Scores of predictions, computed by hand."""

from __future__ import annotations

import pytest

from lab.prediction import Prediction, Share
from lab.scoring import score, winkler
from lab.truth import Lost, Truth


def test_always_saying_anything_may_happen_scores_one() -> None:
    assert winkler(0.0, Share(0.5, 0.0, 1.0, 0.5)) == 1.0
    assert winkler(1.0, Share(0.5, 0.0, 1.0, 0.5)) == 1.0


def test_a_truth_outside_costs_forty_times_its_distance() -> None:
    assert winkler(0.5, Share(0.1, 0.0, 0.2, 0.1)) == pytest.approx(0.2 + 40 * 0.3)
    assert winkler(0.0, Share(0.3, 0.25, 0.35, 0.3)) == pytest.approx(0.1 + 40 * 0.25)
    assert winkler(0.25, Share(0.3, 0.25, 0.35, 0.3)) == pytest.approx(0.1)


def test_each_workflow_of_each_outage_counts_once() -> None:
    truth = Truth(
        {"a": Lost(10, 10, 10), "b": Lost(10, 10, 0)}, frozenset({"agent:X", "service:y"})
    )
    said = Prediction({"a": Share(0.9, 0.8, 1.0, 0.9)}, frozenset({"agent:x", "agent:z"}))

    found = score([(truth, said)])

    assert (found.pairs, found.covered) == (2, 2)
    assert found.width == pytest.approx(0.1)
    assert found.brier == pytest.approx(10 * 0.1**2 / 20)
    assert (found.agents.precision, found.agents.recall) == (0.5, 1.0)
    assert (found.services.precision, found.services.recall) == (None, 0.0)


def test_an_outage_that_loses_nothing_and_is_said_to_lose_nothing_has_no_brier_score() -> None:
    nothing = Truth({"a": Lost(10, 10, 0)}, frozenset())
    quiet, alarm = Prediction({}, frozenset()), Prediction({"a": Share(1, 1, 1, 1)}, frozenset())

    assert score([(nothing, quiet)]).brier is None
    assert score([(nothing, alarm)]).brier == 1.0
    assert score([(nothing, quiet), (nothing, alarm)]).brier == 1.0


def test_a_run_that_fails_anyway_does_not_count_against_a_prediction() -> None:
    truth = Truth({"a": Lost(20, 18, 18)}, frozenset())
    right = Prediction({"a": Share(0.9, 0.8, 1.0, 1.0)}, frozenset())

    assert score([(truth, right)]).brier == 0.0
