"""Bit sets against sets counted one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentguard.compute.bits import bit_counts, bit_matrix

BITS = 70
rows = st.lists(st.tuples(st.integers(0, 2**BITS - 1), st.integers(0, 9)), max_size=40)


@given(rows=rows)
def test_weights_are_summed_by_bit(rows):
    found = bit_counts([s for s, _ in rows], [weight for _, weight in rows], BITS)

    assert found.tolist() == [sum(w for s, w in rows if s >> bit & 1) for bit in range(BITS)]


@given(rows=rows)
def test_the_matrix_has_a_row_for_each_set(rows):
    found = bit_matrix([s for s, _ in rows], BITS)

    assert found.shape == (len(rows), BITS)
    assert [[bool(s >> bit & 1) for bit in range(BITS)] for s, _ in rows] == found.tolist()
