"""Minimal cut sets against trying every combination."""

from __future__ import annotations

import random
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.analysis.cut_sets import MOST_SETS, minimal_cut_sets
from agentguard.simulation.fixpoint import requirements

Groups = list[tuple[int, list[int]]]

GRAPHS = 1_000


def fails(groups: Groups, failed: set[int]) -> set[int]:
    """What fails, found by asking every owner again until nothing changes."""
    down, before = set(failed), -1
    while len(down) != before:
        before = len(down)
        down |= {owner for owner, members in groups if down.issuperset(members)}
    return down


def by_trying(size: int, groups: Groups, top: int, events: set[int], order: int = 3):
    found: list[tuple[int, ...]] = []
    for count in range(1, order + 1):
        for tried in combinations(sorted(events), count):
            if not any(set(f) <= set(tried) for f in found) and top in fails(groups, set(tried)):
                found.append(tried)
    return found


def made_up(chance: random.Random) -> tuple[int, Groups]:
    size = chance.randrange(2, 11)
    owners = [chance.randrange(size) for _ in range(chance.randrange(1, 2 * size))]
    return size, [
        (owner, chance.sample(range(size), chance.randrange(1, min(size, 4) + 1)))
        for owner in owners
    ]


def test_a_thousand_random_graphs_have_the_cut_sets_that_trying_finds():
    chance = random.Random(20)
    sizes: dict[int, int] = {}
    for _ in range(GRAPHS):
        size, groups = made_up(chance)
        events = {node for node in range(size) if chance.random() < 0.9}
        needs = requirements(size, groups)
        found = minimal_cut_sets(needs, 0, events)
        alone = {event for event in events if 0 in fails(groups, {event})}
        quick = minimal_cut_sets(needs, 0, events, singles=alone)

        assert not found.bounded
        assert quick.sets == found.sets
        assert list(found.sets) == by_trying(size, groups, 0, events)
        for cut in found.sets:
            sizes[len(cut)] = sizes.get(len(cut), 0) + 1
    assert min(sizes[1], sizes[2], sizes[3]) > 100


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_set_brings_the_top_down_and_no_part_of_it_does(seed):
    size, groups = made_up(random.Random(seed))

    for cut in minimal_cut_sets(requirements(size, groups), 0, range(size)).sets:
        assert 0 in fails(groups, set(cut))
        assert all(0 not in fails(groups, set(cut) - {each}) for each in cut)


def test_two_that_depend_on_each_other_keep_each_other_alive():
    needs = requirements(3, [(0, [1]), (1, [2]), (2, [1])])

    assert minimal_cut_sets(needs, 0, [1, 2]).sets == ((1,), (2,))


def test_three_alternatives_fail_together_only():
    needs = requirements(4, [(0, [1, 2, 3])])

    assert minimal_cut_sets(needs, 0, [1, 2, 3]).sets == ((1, 2, 3),)
    assert minimal_cut_sets(needs, 0, [1, 2, 3], order=2).sets == ()


def test_a_search_without_steps_left_says_that_it_is_bounded():
    needs = requirements(4, [(0, [1, 2, 3])])

    assert minimal_cut_sets(needs, 0, [1, 2, 3], steps=3).bounded


def test_more_cut_sets_than_are_kept_are_marked_as_bounded():
    side = MOST_SETS // 20
    primary, spare = range(1, side + 1), range(side + 1, 2 * side + 1)
    chains = [*zip(primary, [[n] for n in primary[1:]], strict=False)]
    chains += zip(spare, [[n] for n in spare[1:]], strict=False)
    needs = requirements(2 * side + 1, [(0, [primary[0], spare[0]]), *chains])
    found = minimal_cut_sets(needs, 0, range(1, 2 * side + 1))

    assert found.bounded
    assert 0 < len(found.sets) <= MOST_SETS + 1
    assert all(len(cut) == 2 for cut in found.sets)
