"""Fees follow the market, replacements exceed what they replace, and the limit holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.adapters.evm.fees import GWEI, Market, offered_fees
from agentguard.audit.chain import FeesTooHighError, SignedTransaction

FEES = st.integers(0, 2000 * GWEI)
TIPS = st.lists(FEES, max_size=10)
CHAINS = st.sampled_from([137, 80002, 31337])
LIMIT = 1000 * GWEI


def signed(most: int, tip: int) -> SignedTransaction:
    return SignedTransaction("0x" + "0" * 64, 0, b"", 30_000, max_fee=most, max_tip=tip)


def test_the_tip_is_the_usual_one_and_the_base_fee_may_double() -> None:
    fees = offered_fees(Market(137, 100 * GWEI, [30 * GWEI, 40 * GWEI, 90 * GWEI]), LIMIT)

    assert (fees.tip, fees.most) == (40 * GWEI, 240 * GWEI)


@pytest.mark.parametrize(("chain_id", "least"), [(137, 25), (80002, 25), (31337, 1)])
def test_the_tip_is_what_the_chains_nodes_accept_at_least(chain_id: int, least: int) -> None:
    for tips in ([], [0, 0, 0]):
        assert offered_fees(Market(chain_id, GWEI, tips), LIMIT).tip == least * GWEI


def test_the_limit_cuts_the_reserve_before_it_stops_anchors() -> None:
    market = Market(137, 600 * GWEI, [])

    assert offered_fees(market, LIMIT).most == LIMIT
    with pytest.raises(FeesTooHighError, match=r"needs 625\.00 gwei .* limit is 624\.00"):
        offered_fees(market, 624 * GWEI)


@given(chain=CHAINS, base=FEES, tips=TIPS, most=FEES, tip=FEES, replaces=st.booleans())
def test_what_is_offered_is_enough_and_never_above_the_limit(
    chain: int, base: int, tips: list[int], most: int, tip: int, replaces: bool
) -> None:
    market = Market(chain, base, tips)
    replaced = signed(max(most, tip), min(most, tip)) if replaces else None
    try:
        fees = offered_fees(market, LIMIT, replaced)
    except FeesTooHighError:
        least_tip = max(market.tip, 1.1 * min(most, tip) if replaces else 0)
        assert max(base + least_tip, 1.1 * max(most, tip) if replaces else 0) > LIMIT - 1
        return

    assert fees.tip <= fees.most <= LIMIT
    assert fees.tip >= market.tip
    assert fees.most >= base + fees.tip
    if replaced is not None:
        assert fees.tip * 100 >= replaced.max_tip * 110
        assert fees.most * 100 >= replaced.max_fee * 110
