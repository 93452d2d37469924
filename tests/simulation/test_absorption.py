"""What is believed of dependencies that nobody has seen fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.simulation.absorption import Posterior, Tally, beta_quantiles, packaged_prior
from agentguard.simulation.bits import DRAWS, stratified, stratified_within

PRIOR = packaged_prior()
MIDDLES = (np.arange(DRAWS) + 0.5) / DRAWS


def beliefs(
    size: int,
    share: tuple[float, float] = (0.2, 0.3),
    *,
    spare: float = 0.0,
    absorbed: float = 0.0,
    propagated: float = 0.0,
    declared: int = -1,
) -> Posterior:
    return Posterior(
        cells=np.zeros(size, np.uint64),
        share=np.tile([*share, 1.0], (size, 1, 1)),
        spare=np.full(size, spare),
        absorbed=np.full(size, absorbed, float),
        propagated=np.full(size, propagated, float),
        declared=np.full(size, declared),
        exception=PRIOR.exception,
        varies=0.0,
    )


def keys(size: int) -> np.ndarray:
    return np.arange(1, size + 1).astype(np.uint64)


@pytest.mark.parametrize("share", [(0.1, 0.4), (0.2, 0.3), (1.2, 0.3), (0.3, 2.2), (3.0, 4.0)])
def test_a_chain_of_callers_lets_a_failure_through_as_often_as_the_common_share_says(share) -> None:
    a, b = share
    length = 4

    through = (beliefs(length, share).chances(keys(length), seed=3) == 0).all(axis=0).mean()

    # the chance of four failures in a row of Polya's urn
    expected = math.prod((b + n) / (a + b + n) for n in range(length))
    assert through == pytest.approx(expected, abs=0.03)


@given(
    a=st.floats(0.05, 5), b=st.floats(0.05, 5), seed=st.integers(0, 1_000), key=st.integers(1, 99)
)
def test_the_mean_over_the_draws_is_that_of_the_share(a: float, b: float, seed: int, key: int):
    one = beliefs(1, (a, b))
    drawn = one.chances(np.array([key], np.uint64), seed).mean()

    assert drawn == pytest.approx(a / (a + b), abs=0.03)
    assert one.mean[0] == pytest.approx(a / (a + b), abs=0.01)


def test_the_others_of_a_graph_count_as_much_as_the_recordings_say() -> None:
    before = PRIOR.survived("tool", served=False)
    after = PRIOR.survived("tool", served=False, own=Tally(0, 1))

    # one observation alone does not tell the strengths apart
    expected = sum(w * s * before / (s + 1) for s, w in PRIOR.graph_strengths)
    assert after == pytest.approx(expected)


def test_a_graph_whose_dependencies_differ_counts_less_for_the_next_one() -> None:
    def moved(own: Tally) -> float:
        return PRIOR.survived("tool", served=False, own=own)

    alike, mixed = (
        PRIOR.share("tool", served=False, own=Tally(6, 0)),
        PRIOR.share("tool", served=False, own=Tally(3, 3)),
    )

    assert mixed[-1, 2] > dict(PRIOR.graph_strengths)[16] > alike[-1, 2]
    assert moved(Tally(6, 0)) > 0.95


def test_a_fallback_that_was_never_needed_may_save_what_else_would_stop() -> None:
    without, with_one = beliefs(1).mean[0], beliefs(1, spare=0.25).mean[0]

    assert with_one == pytest.approx(without + 0.25 * (1 - without), abs=1e-9)


@pytest.mark.parametrize(("declared", "survived"), [(0, 0.0), (1, 1.0)])
def test_what_is_declared_is_certain_whatever_was_seen(declared: int, survived: float) -> None:
    one = beliefs(1, absorbed=2, propagated=2, declared=declared)

    assert one.mean[0] == survived
    assert (one.chances(keys(1), seed=1) == survived).all()


def test_one_failure_that_was_seen_outweighs_the_share() -> None:
    # the share is that after its own failure, too
    assert beliefs(1, (1.05, 0.45), absorbed=1).mean[0] > 0.9
    assert beliefs(1, (0.45, 1.05), propagated=1).mean[0] < 0.1


@given(seed=st.integers(0, 1_000), key=st.integers(0, 2**64 - 1))
def test_each_draw_is_one_of_the_256_parts_and_each_block_has_every_sixteenth(seed: int, key: int):
    own = np.array([key], np.uint64)
    quantiles = stratified(np.array([5], np.uint64), seed, 7)

    found = stratified_within(own, quantiles, seed, 1)

    assert sorted(found[0]) == pytest.approx(MIDDLES)
    blocks = (quantiles[0] * 16).astype(int)
    sixteenths = (found[0] * 16).astype(int)
    assert len({*zip(blocks.tolist(), sixteenths.tolist(), strict=True)}) == DRAWS


@pytest.mark.parametrize(("a", "b"), [(0.08, 3.92), (3.92, 0.08), (0.17, 0.33), (0.5, 0.5)])
def test_quantiles_of_a_beta_distribution_with_infinite_ends(a: float, b: float) -> None:
    found = beta_quantiles(np.array([a]), np.array([b]), MIDDLES[None, :])[0]
    drawn = np.sort(np.random.default_rng(1).beta(a, b, 256_000)).reshape(DRAWS, -1).mean(axis=1)

    assert found[2:-2] == pytest.approx(drawn[2:-2], abs=0.012)
    assert found.mean() == pytest.approx(a / (a + b), abs=0.004)
