"""Puts the contract for anchors on a chain."""

from __future__ import annotations

import time

from web3.types import Nonce
from web3.utils.address import get_create_address

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect
from agentguard.adapters.evm.chain import EVMChain
from agentguard.adapters.evm.contract import deployed_code, deployment
from agentguard.audit.chain import ChainUnavailableError, TransactionRefusedError

_PAUSE_SECONDS = 1.0


def deploy(chain: EVMChain, *, wait_seconds: float) -> str:
    """Return the address of a new contract, whose transaction the account has paid for.

    Raises the errors of `sign` and `send`, and ChainUnavailableError if it is not mined in time.
    """
    nonce = chain.account().next_pending_nonce
    signed = chain.sign_call(deployment(), nonce, None)
    address = get_create_address(chain.signer.address, Nonce(nonce)).lower()
    chain.send(signed.raw)
    _wait(chain, signed.hash, address, wait_seconds)
    if chain.code(address) != deployed_code():
        raise TransactionRefusedError(
            f"The transaction {signed.hash} is mined, but {address} has not the contract's code."
        )
    return address


def _wait(chain: EVMChain, tx_hash: str, address: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (mined := chain.transaction(tx_hash)) is None:
        if time.monotonic() >= until:
            raise ChainUnavailableError(
                f"The transaction {tx_hash} was not mined within {seconds:g} s. If it is mined"
                f" later, the contract's address is {address}."
            )
        time.sleep(min(_PAUSE_SECONDS, seconds))
    if not mined.succeeded:
        raise TransactionRefusedError(f"The transaction {tx_hash} was reverted.")
