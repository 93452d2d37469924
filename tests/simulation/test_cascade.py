"""Failures that spread by chance: against enumeration, the structural fixpoint and themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.simulation.bernoulli import draw, levels, trial_keys
from agentguard.simulation.cascade import Faults, Spread, Trials, spread
from agentguard.simulation.fixpoint import failures, requirements
from tests.simulation.cascades import cascade, closure, exact, faults
from tests.simulation.datasets import debian_answers, debian_cone

SIZE = 8
MANY = Trials(worlds=512, words_per_world=1, seed=5)
FEW = Trials(worlds=3, words_per_world=2, seed=9)
ALL = np.uint64(2**64 - 1)

nodes = st.integers(0, SIZE - 1)
chances = st.sampled_from([0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 1.0])
member_lists = st.lists(nodes, min_size=1, max_size=3, unique=True)
uncertain = st.lists(st.tuples(nodes, member_lists, chances), max_size=12)
starts = st.sets(nodes, min_size=1, max_size=3)


def run(groups, start, trials=MANY, chance=1.0, **more) -> Spread:
    plain = [(owner, members) for owner, members, _ in groups]
    made = cascade(SIZE, plain, [c for _, _, c in groups])
    every = np.arange(SIZE)
    return spread(made, [faults(start, chance)], trials, watched=every, **more)[0]


def within_sampling_error(count: np.ndarray, expected: np.ndarray, trials: int) -> bool:
    """Whether all counts lie within 4.5 standard deviations (and are exact for 0 and 1)."""
    deviation = np.sqrt(expected * (1 - expected) * trials)
    return bool((np.abs(count - expected * trials) <= 4.5 * deviation + 1e-6).all())


@settings(deadline=None, max_examples=60, derandomize=True)
@given(groups=uncertain, start=starts)
def test_probabilities_are_those_of_an_enumeration_of_all_states(groups, start):
    plain = [(owner, members) for owner, members, _ in groups]

    found = run(groups, start)

    expected = exact(SIZE, plain, [c for _, _, c in groups], start)
    assert within_sampling_error(found.failed, expected, MANY.count)


def test_the_two_terminal_reliability_of_a_bridge():
    # Five edges of chance p between s=0 and t=3; both ways share the bridge 1-2.
    edges = [(1, 0), (2, 0), (3, 1), (3, 2), (2, 1), (1, 2)]
    p = 0.5
    groups = [(owner, [member], p) for owner, member in edges]

    found = run(groups, {0})

    reached = exact(SIZE, [(o, [m]) for o, m in edges], [p] * 6, {0})[3]
    assert abs(found.failed[3] / MANY.count - reached) < 0.01
    assert abs(reached - 0.5) < 1e-12


@given(groups=uncertain, small=starts, more=starts)
@settings(deadline=None)
def test_with_more_faults_no_trial_has_fewer_failures(groups, small, more):
    less, most = run(groups, small, FEW), run(groups, small | more, FEW)

    assert not (less.watched & ~most.watched).any()


@given(groups=uncertain, start=starts, low=chances, high=chances)
@settings(deadline=None)
def test_with_likelier_faults_no_trial_has_fewer_failures(groups, start, low, high):
    low, high = sorted((low, high))

    less, most = run(groups, start, FEW, chance=low), run(groups, start, FEW, chance=high)

    assert not (less.watched & ~most.watched).any()


@given(groups=uncertain, start=starts, number=st.integers(0, 11), high=chances)
@settings(deadline=None)
def test_a_likelier_group_never_spares_anything(groups, start, number, high):
    less = run(groups, start, FEW)
    raised = [
        (o, m, max(c, high) if place == number else c) for place, (o, m, c) in enumerate(groups)
    ]

    assert not (less.watched & ~run(raised, start, FEW).watched).any()


@given(groups=uncertain, start=starts, seed=st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_the_answer_depends_on_neither_threads_nor_blocks(groups, start, seed):
    trials = Trials(worlds=5, words_per_world=3, seed=seed)
    once = run(groups, start, trials)

    for threads, words in ((1, 1), (2, 4), (4, 7), (3, 100)):
        again = run(groups, start, trials, threads=threads, block_words=words)

        assert (again.watched == once.watched).all()
        assert (again.failed == once.failed).all()


def test_another_seed_gives_other_trials():
    groups = [(1, [0], 0.5)]

    one, other = (run(groups, {0}, Trials(4, 1, seed)) for seed in (1, 2))

    assert (one.watched != other.watched).any()


@given(groups=uncertain, start=starts)
@settings(deadline=None)
def test_sure_spread_is_the_structural_fixpoint(groups, start):
    plain = [(owner, members) for owner, members, _ in groups]

    found = run([(o, m, 1.0) for o, m in plain], start, FEW)

    down = set(failures(requirements(SIZE, plain), start)) | start
    assert set(np.flatnonzero(found.failed)) == down
    assert set(np.unique(found.failed)) <= {0, FEW.count}


def test_every_blast_radius_of_the_package_graph_is_exact():
    cone = debian_cone()
    place = {name: i for i, name in enumerate(cone["nodes"])}
    made = cascade(len(place), cone["groups"], np.ones(len(cone["groups"])))
    packages = debian_answers()["packages"]
    broken = requirements(len(place), cone["groups"]).broken

    found = spread(
        made,
        [faults([place[package]]) for package in packages],
        Trials(1, 1, 0),
        watched=np.zeros(0, np.int64),
    )

    radii = {
        package: len(set(np.flatnonzero(one.failed)) - broken - {place[package]})
        for package, one in zip(packages, found, strict=True)
    }
    assert len(radii) == 62
    assert radii == {package: answer["blast_radius"] for package, answer in packages.items()}


def test_a_group_without_members_is_always_lost():
    found = run([(1, [], 1.0), (2, [1], 1.0)], {5}, FEW)

    assert set(np.flatnonzero(found.failed)) == {1, 2, 5}


@given(groups=st.lists(st.tuples(nodes, member_lists, st.just(1.0)), max_size=12), start=starts)
@settings(deadline=None)
def test_a_member_that_is_always_lost_is_as_good_as_failed_for_its_group(groups, start):
    plain = [(owner, members) for owner, members, _ in groups]
    members = [m for _, group in plain for m in group]
    lost = [(place, 1.0) for place, node in enumerate(members) if node in start]

    made = cascade(SIZE, plain, np.ones(len(plain)))
    [found] = spread(made, [faults([], lost=lost)], FEW, watched=np.arange(SIZE))

    assert set(np.flatnonzero(found.failed)) | start == closure(plain, [True] * len(plain), start)


def test_a_fallback_that_helps_in_part_of_the_trials():
    # 2 needs 0, or else 1, which helps in 30 % of the trials.
    made = cascade(3, [(2, [0, 1])], [1.0], unhelpful=[0.0, 0.7])

    [found] = spread(made, [faults([0])], MANY, watched=np.arange(3))

    assert within_sampling_error(found.failed[2:], np.array([0.7]), MANY.count)


def test_what_is_unknown_is_drawn_once_per_world():
    worlds = np.array([[0.0, 1.0, 1.0, 0.0]])
    made = cascade(2, [(1, [0])], worlds)

    [found] = spread(made, [faults([0])], Trials(4, 2, 3), watched=np.array([1]))

    assert found.watched.tolist() == [[0, 0, ALL, ALL, ALL, ALL, 0, 0]]


def test_scenarios_of_one_call_share_their_trials():
    groups = [(1, [0]), (2, [1]), (3, [4])]
    made = cascade(5, groups, [0.5, 0.5, 0.5])

    both = spread(made, [faults([0]), faults([0, 4])], FEW, watched=np.arange(5))
    [alone] = spread(made, [faults([0, 4])], FEW, watched=np.arange(5))

    assert (both[1].watched == alone.watched).all()
    assert (both[0].watched[:3] == both[1].watched[:3]).all()


def test_nothing_fails_without_faults():
    empty = np.zeros(0, np.int64)
    none = Faults(empty, np.zeros(0), empty.astype(np.uint64), empty, np.zeros(0))
    made = cascade(2, [(1, [0])], [1.0])

    [found] = spread(made, [none], FEW, watched=np.arange(2))

    assert not found.watched.any()


@pytest.mark.parametrize("chance", [0.0, 1e-9, 2**-32, 0.001, 1 / 3, 0.5, 0.9999, 1.0])
def test_bits_have_their_probability(chance):
    words = np.arange(40_000, dtype=np.uint64)
    keys = trial_keys(np.arange(3, dtype=np.uint64), seed=2, salt=0)

    bits = draw(keys, levels(np.full((3, 1), chance)), words)

    count, trials = np.bitwise_count(bits).sum(), bits.size * 64
    assert abs(count - chance * trials) <= 4.5 * np.sqrt(trials * chance * (1 - chance)) + 0.01


def test_the_trials_of_a_word_are_independent():
    words = np.arange(20_000, dtype=np.uint64)
    bits = draw(trial_keys(np.array([7], np.uint64), 1, 0), levels(np.array([[0.3]])), words)
    trials = np.unpackbits(bits.view(np.uint8)).reshape(-1, 64).astype(float)

    related = np.corrcoef(trials, rowvar=False)[np.triu_indices(64, 1)]

    assert np.abs(related).max() < 5 / np.sqrt(len(words))
