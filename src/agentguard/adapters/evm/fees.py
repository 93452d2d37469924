"""What a transaction offers per unit of gas (EIP-1559), in wei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from agentguard.audit.chain import FeesTooHighError, SignedTransaction
from agentguard.audit.chain_names import POLYGON

GWEI = 10**9
_POLYGON_TIP = 25 * GWEI
"""Below it, Polygon's nodes accept no transaction (bor's `txpool.pricelimit`)."""
_TIP = GWEI
_PERCENT_MORE = 10
"""A replacement must offer at least this much more (geth's `txpool.pricebump`)."""


@dataclass(frozen=True, slots=True)
class Fees:
    """Per unit of gas."""

    most: int
    """`maxFeePerGas`: base fee and tip together."""
    tip: int
    """`maxPriorityFeePerGas`."""


@dataclass(frozen=True, slots=True)
class Market:
    """What blocks cost now."""

    chain_id: int
    base_fee: int
    """Of the next block."""
    tips: Sequence[int]
    """Usual ones in the newest blocks."""

    @property
    def tip(self) -> int:
        """The tip that is usual, and that the chain's nodes accept."""
        least = _POLYGON_TIP if self.chain_id in POLYGON else _TIP
        return max(least, median_low(self.tips) if self.tips else least)


def offered_fees(market: Market, limit: int, replaced: SignedTransaction | None = None) -> Fees:
    """Return what a transaction should offer: the tip, and twice the next base fee if possible.

    The base fee rises by at most an eighth per block: six blocks, until it is doubled. Of a
    replacement, both fees exceed the replaced ones by enough. Raises FeesTooHighError where less
    than the limit does not get the transaction into the next block.
    """
    tip = max(market.tip, _raised(replaced.max_tip) if replaced else 0)
    needed = max(market.base_fee + tip, _raised(replaced.max_fee) if replaced else 0)
    if needed > limit:
        raise FeesTooHighError(
            f"A transaction needs {needed / GWEI:,.2f} gwei per unit of gas now; the limit is"
            f" {limit / GWEI:,.2f}. Wait until fees fall, or raise AGENTGUARD_WEB3_MAX_FEE_GWEI."
        )
    return Fees(min(max(needed, 2 * market.base_fee + tip), limit), tip)


def _raised(fee: int) -> int:
    """Return the fee and ten percent of it, rounded up."""
    return -(-fee * (100 + _PERCENT_MORE) // 100)
