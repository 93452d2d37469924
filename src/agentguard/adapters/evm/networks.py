"""Which chains anchors may be sent to."""

from __future__ import annotations

from agentguard.audit.chain import WrongChainError
from agentguard.audit.chain_names import POLYGON, numbered_chain

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
    found = f"The RPC endpoint serves {numbered_chain(served)}"
    if expected is not None and served != expected:
        raise WrongChainError(
            f"{found}; AGENTGUARD_WEB3_CHAIN_ID is {expected}. Correct one of them."
        )
    if expected is None and served not in POLYGON:
        raise WrongChainError(
            f"{found}, none of Polygon's. If that is meant, set"
            f" AGENTGUARD_WEB3_CHAIN_ID={served}; otherwise correct WEB3_PROVIDER_URL."
        )
    return served
