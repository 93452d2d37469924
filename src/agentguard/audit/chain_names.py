"""What people call chains, and the coins that pay on them."""

from __future__ import annotations

_NAMES = {1: "Ethereum", 137: "Polygon", 80_002: "Polygon Amoy"}
_COINS = {137: "POL", 80_002: "POL"}


def chain_name(chain_id: int) -> str:
    """Return a chain's name: `Polygon Amoy`, or `chain 31337` for one without."""
    return _NAMES.get(chain_id, f"chain {chain_id}")


def coin(chain_id: int) -> str:
    """Return the name of 10^18 wei; ETH where no other is known."""
    return _COINS.get(chain_id, "ETH")
