"""A real EVM node, steered by what only anvil can do."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from agentguard.adapters.evm.chain import EVMChain, EVMSettings, open_chain
from agentguard.audit.chain import ChainUnavailableError, SignedTransaction

ETHER = 10**18


@dataclass(frozen=True)
class Node:
    """An anvil."""

    url: str

    def ask(self, method: str, *params: Any) -> Any:
        """Return the whole answer."""
        question: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return requests.post(self.url, json=question, timeout=30).json()

    def call(self, method: str, *params: Any) -> Any:
        found = self.ask(method, *params)
        assert "error" not in found, found["error"]
        return found["result"]

    def height(self) -> int:
        """Return the number of the newest block."""
        return int(self.call("eth_blockNumber"), 16)

    def address_of(self, key: str) -> str:
        """Return the address of the account with this key."""
        return open_chain(self.url, key, 30, EVMSettings()).signer.address

    def mine(self, blocks: int = 1) -> None:
        self.call("anvil_mine", hex(blocks))

    def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by empty ones."""
        self.call("anvil_reorg", depth, [])

    @contextmanager
    def mining_by_hand(self) -> Iterator[None]:
        self.call("evm_setAutomine", False)
        try:
            yield
        finally:
            self.mine()
            self.call("evm_setAutomine", True)

    def chain(self, balance: int = 100 * ETHER, **settings: Any) -> EVMChain:
        """Return the chain with a new account that has this balance."""
        chain = chain_at(self.url, **settings)
        self.call("anvil_setBalance", chain.signer.address, hex(balance))
        return chain


def chain_at(url: str, timeout_seconds: float = 30, **settings: Any) -> EVMChain:
    """Return the chain behind an endpoint, with a new account."""
    return open_chain(url, secrets.token_hex(32), timeout_seconds, EVMSettings(**settings))


def mined(chain: EVMChain, data: bytes) -> SignedTransaction:
    """Send an anchor, wait until the node has mined it, and return it."""
    sent = anchored(chain, data)
    until = time.monotonic() + 10
    while not _is_mined(chain, sent):
        assert time.monotonic() < until
        time.sleep(0.01)
    return sent


def _is_mined(chain: EVMChain, sent: SignedTransaction) -> bool:
    try:
        return chain.transaction(sent.hash) is not None
    except ChainUnavailableError:  # while it mines, the node's answers may not agree
        return False


def anchored(chain: EVMChain, data: bytes) -> SignedTransaction:
    """Send an anchor with the account's next nonce, and return it."""
    signed = chain.sign(data, chain.account().next_pending_nonce)
    chain.send(signed.raw)
    return signed
