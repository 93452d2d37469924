"""The vectorised replay against a plain one, run by run, call by call and draw by draw."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.simulation.beliefs import beliefs
from agentguard.simulation.bits import DRAWS, drawn, planes, unpacked
from agentguard.simulation.first_failures import Scenario, without_calls
from agentguard.simulation.losses import losses
from agentguard.simulation.recording import recording
from agentguard.simulation.replay import Replayed, replay
from agentguard.simulation.replay_outcome import structural_failures
from agentguard.simulation.structural import structure
from tests.simulation.strategies import NAMES, RETURNING, recorded_worlds, scenarios, seeds


class PlainReplay:
    """One draw at a time. The draws themselves (bits) are taken from the beliefs."""

    def __init__(self, r, b, down, failed) -> None:
        self.r = r
        self.silent = [
            (caller, unpacked(drawn(r.span, planes(b.survival_chances(rows)), b.seed, 5)) > 0)
            for caller, dependency in without_calls(r, Scenario(frozenset(failed)))
            for rows in [np.full(len(r.target), dependency)]
            if caller not in failed
        ]
        survives, every = b.survival_chances(r.dependency), np.arange(len(r.target))
        self.survives = unpacked(drawn(r.span, planes(survives), b.seed, 5)) > 0
        chances = [
            b.rescue_chances(pair, down) if pair >= 0 else np.zeros(DRAWS) for pair in r.pair[every]
        ]
        self.spare = [bool(chance.any()) for chance in chances]
        self.rescued = unpacked(drawn(r.span, planes(np.array(chances)), b.seed, 4)) > 0
        self.retried = unpacked(drawn(r.span, b.retry_planes(r.dependency), b.seed, 6)) > 0

    def lost(self, failed: set[int], draw: int) -> tuple[set[int], set[int]]:
        """Return the calls that newly fail, and the runs that are lost."""
        r = self.r
        hard: dict[int, bool] = {}
        lost: set[int] = set()
        for i in sorted(range(len(r.target)), key=lambda i: -r.depth[i]):
            out = (
                (r.target[i] in failed or self.through_silent(i, draw))
                and not r.failed[i]
                and not any(r.target[a] in failed for a in self.ancestors(i))
            )
            if out:
                hard[i] = True
            if i not in hard or r.failed[i]:
                hard.pop(i, None)
                continue
            if self.rescued[i, draw]:
                continue
            certain = hard[i] and not self.spare[i]
            if not certain and self.retried[i, draw]:
                continue
            if not r.entry[i] and self.survives[i, draw]:
                continue
            if r.parent[i] >= 0 and r.returns[i]:
                above = int(r.parent[i])
                hard[above] = hard.get(above, False) or certain
            elif not r.run_failed[r.run[i]]:
                lost.add(int(r.run[i]))
        return set(hard), lost

    def through_silent(self, i, draw):
        """Whether it fails with a dependency without recorded calls."""
        return any(
            self.r.target[i] == caller and not survived[i, draw] and not self.r.repeats[i]
            for caller, survived in self.silent
        )

    def ancestors(self, i):
        while (i := int(self.r.parent[i])) >= 0:
            yield i


def replayed(made, failed, seed, **more) -> tuple[Replayed, PlainReplay, set[int]]:
    graph, runs = made
    r = recording(graph, runs)
    b = beliefs(graph, r, seed=seed)
    numbers = {r.components.index(f) for f in failed}
    down = structural_failures(r, structure(graph, runs), [numbers])
    found = replay(r, [Scenario(frozenset(numbers))], b, down, **more)
    return found, PlainReplay(r, b, down[0], numbers), numbers


@settings(max_examples=40, deadline=None)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_it_finds_in_every_draw_what_a_plain_replay_finds(made, failed, seed):
    found, plain, numbers = replayed(made, failed, seed)
    fails, lost = unpacked(found.failures.fails) > 0, unpacked(found.lost.fails) > 0

    for draw in (0, 1, 77, 255):
        rows, runs = plain.lost(numbers, draw)
        assert set(found.failures.row[fails[:, draw]].tolist()) == rows
        assert set(plain.r.run[found.lost.row[lost[:, draw]]].tolist()) == runs


@settings(max_examples=25, deadline=None)
@given(made=recorded_worlds(), failed=scenarios, seed=seeds)
def test_the_bounds_lie_on_both_sides_in_every_draw(made, failed, seed):
    alone, _, _ = replayed(made, failed, seed)
    bounded, plain, _ = replayed(made, failed, seed, bounds=True)

    by_draw = losses(plain.r, bounded).runs
    believed, best, worst = (by_draw[:, i * DRAWS : (i + 1) * DRAWS] for i in range(3))
    assert (best <= believed).all()
    assert (believed <= worst).all()
    assert believed.sum() == losses(plain.r, alone).runs.sum()


@settings(max_examples=20, deadline=None)
@given(made=recorded_worlds(), several=st.lists(scenarios, min_size=1, max_size=4), seed=seeds)
def test_scenarios_replayed_together_do_not_disturb_each_other(made, several, seed):
    graph, runs = made
    r, s = recording(graph, runs), structure(graph, runs)
    b = beliefs(graph, r, seed=seed)
    sets = [Scenario(frozenset(map(NAMES.index, failed))) for failed in several]
    down = structural_failures(r, s, [each.failed for each in sets])
    together = losses(r, replay(r, sets, b, down))

    for i, scenario in enumerate(sets):
        alone = losses(r, replay(r, [scenario], b, down[i : i + 1]))
        of_this = together.scenario == i
        assert together.workflow[of_this].tolist() == alone.workflow.tolist()
        assert together.runs[of_this].tolist() == alone.runs.tolist()


@settings(max_examples=30, deadline=None)
@given(made=recorded_worlds(RETURNING), failed=scenarios, more=scenarios, seed=seeds)
def test_more_failures_never_lose_fewer_runs(made, failed, more, seed):
    """Without handoffs and messages: what would be handed over below a failed component is not."""
    few, plain, _ = replayed(made, failed, seed)
    many, _, _ = replayed(made, failed | more, seed)

    assert losses(plain.r, few).runs.sum() <= losses(plain.r, many).runs.sum()
