"""Addresses as people write them."""

from __future__ import annotations

from eth_utils.address import is_checksum_address, is_checksum_formatted_address

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect
from agentguard.kernel.errors import InvalidInputError


class AddressError(InvalidInputError):
    """An address has a digit that is mistyped."""

    code = "bad-address"


def check_address(address: str) -> None:
    """Raise AddressError for an address in upper and lower case whose checksum is wrong (EIP-55).

    One in a single case has no checksum.
    """
    if is_checksum_formatted_address(address) and not is_checksum_address(address):
        raise AddressError(
            f"The address {address} has a wrong checksum (EIP-55), so it is mistyped. Correct"
            " WEB3_CONTRACT_ADDRESS."
        )
