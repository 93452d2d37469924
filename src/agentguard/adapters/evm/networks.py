"""Which chains anchors may be sent to."""

from __future__ import annotations

from agentguard.audit.chain import WrongChainError

NAMES = {137: "Polygon", 80002: "Polygon's test network Amoy"}
MUMBAI = 80001


def check_chain(expected: int | None, served: int) -> int:
    """Return the id of the chain that the endpoint serves, if anchors may be sent to it.

    Without an expected one, only Polygon's chains are accepted: an anchor on a chain that was not
    meant costs money, and proves little on a private one. Raises WrongChainError.
    """
    if served == MUMBAI:
        raise WrongChainError(
            "The RPC endpoint serves chain 80001, Polygon's test network Mumbai, which was shut"
            " down in April 2024. Use Amoy (80002), which replaced it."
        )
    if expected is not None and served != expected:
        raise WrongChainError(
            f"The RPC endpoint serves {named(served)}; AGENTGUARD_WEB3_CHAIN_ID is {expected}."
            " Correct one of them."
        )
    if expected is None and served not in NAMES:
        raise WrongChainError(
            f"The RPC endpoint serves {named(served)}, none of Polygon's. If that is meant, set"
            f" AGENTGUARD_WEB3_CHAIN_ID={served}; otherwise correct WEB3_PROVIDER_URL."
        )
    return served


def named(chain_id: int) -> str:
    """Return the chain's id, and its name if it is known."""
    name = NAMES.get(chain_id)
    return f"chain {chain_id}" + (f" ({name})" if name else "")
