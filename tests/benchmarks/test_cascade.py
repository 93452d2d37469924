"""Both sides of the cascade benchmark simulate the same model."""

from __future__ import annotations

import pytest

from benchmarks import cascade


@pytest.mark.parametrize("chance", [None, 0.4])
def test_both_find_the_same_mean_number_of_failed_nodes(chance):
    net = cascade.network(300, 1_000, chance)

    ours = cascade.ours(net, 6_400, 1)
    theirs = cascade.theirs_trial_by_trial(net, 6_400, 1)

    assert ours.mean > 2
    assert cascade.agree(ours, theirs, 6_400)


def test_a_wrong_mean_is_noticed():
    net = cascade.network(300, 1_000, 0.4)

    theirs = cascade.theirs_trial_by_trial(net, 6_400, 1)

    assert not cascade.agree(cascade.Result(0.0, theirs.mean * 1.1), theirs, 6_400)
