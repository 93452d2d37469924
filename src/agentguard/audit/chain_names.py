"""What people call chains, and the coins that pay on them."""

from __future__ import annotations

POLYGON = frozenset({137, 80_002})
"""Polygon, and its test network Amoy."""
_NAMES = {1: "Ethereum", 137: "Polygon", 80_002: "Polygon Amoy"}


def chain_name(chain_id: int) -> str:
    """Return a chain's name: `Polygon Amoy`, or `chain 31337` for one without."""
    return _NAMES.get(chain_id, f"chain {chain_id}")


def numbered_chain(chain_id: int) -> str:
    """Return a chain's id, and its name if it has one: `chain 80002 (Polygon Amoy)`."""
    name = _NAMES.get(chain_id)
    return f"chain {chain_id} ({name})" if name else f"chain {chain_id}"


def coin(chain_id: int) -> str:
    """Return the name of 10^18 wei; ETH where no other is known."""
    return "POL" if chain_id in POLYGON else "ETH"
