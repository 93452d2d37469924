"""Answers of an RPC endpoint, checked: bytes, numbers and addresses become values of the port."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentguard.adapters.evm.endpoint import Endpoint

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_MOST = 2**256


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction's receipt."""

    block_number: int
    block_hash: str
    succeeded: bool
    events: tuple[tuple[str, bytes], ...]
    """Address and data of each."""
    gas_used: int
    gas_price: int


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction as it is on the chain."""

    block_hash: str | None
    """None while it is pending."""
    recipient: str | None
    """None: it created a contract."""
    calldata: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """The header of a block."""

    number: int
    hash: str
    time: int


@dataclass(frozen=True, slots=True)
class Answers:
    """Checks what an endpoint has answered; each method raises ChainUnavailableError."""

    endpoint: Endpoint

    def receipt(self, answer: Any, tx_hash: str) -> Receipt:
        """Return the receipt; it must be of this transaction, and so must its events."""
        self._same("a receipt", self.digest(self._of(answer, "transactionHash")), tx_hash)
        block_hash = self.digest(self._of(answer, "blockHash"))
        events = self._list(self._of(answer, "logs"))
        for event in events:
            self._belongs(event, tx_hash, block_hash)
        return Receipt(
            block_number=self.number(self._of(answer, "blockNumber")),
            block_hash=block_hash,
            succeeded=self.number(self._of(answer, "status")) == 1,
            events=tuple(self._event(event) for event in events),
            gas_used=self.number(self._of(answer, "gasUsed")),
            gas_price=self.number(self._of(answer, "effectiveGasPrice")),
        )

    def call(self, answer: Any, tx_hash: str) -> Call:
        """Return the transaction; it must be this one."""
        self._same("a transaction", self.digest(self._of(answer, "hash")), tx_hash)
        block_hash, recipient = self._of(answer, "blockHash"), self._of(answer, "to")
        return Call(
            None if block_hash is None else self.digest(block_hash),
            None if recipient is None else self.address(recipient),
            self.data(self._of(answer, "input")),
        )

    def block(self, answer: Any) -> Block:
        """Return the header of a block."""
        return Block(
            self.number(self._of(answer, "number")),
            self.digest(self._of(answer, "hash")),
            self.number(self._of(answer, "timestamp")),
        )

    def transactions(self, answer: Any) -> frozenset[str]:
        """Return the hashes of a block's transactions."""
        return frozenset(self.digest(one) for one in self._list(self._of(answer, "transactions")))

    def fee_history(self, answer: Any) -> tuple[list[int], list[int]]:
        """Return the base fees, the next block's last, and one tip of each block."""
        fees = [self.number(fee) for fee in self._list(self._of(answer, "baseFeePerGas"))]
        tips = [self._list(tips) for tips in self._list(self._of(answer, "reward"))]
        if not fees:
            raise self.endpoint.odd("a fee history without fees")
        return fees, [self.number(one) for each in tips for one in each[:1]]

    def number(self, answer: Any) -> int:
        if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < _MOST:
            raise self.endpoint.odd("something else than a number")
        return answer

    def digest(self, answer: Any) -> str:
        """Return 32 bytes as text."""
        found = self.data(answer)
        if len(found) != 32:
            raise self.endpoint.odd("a hash that has not 32 bytes")
        return f"0x{found.hex()}"

    def data(self, answer: Any) -> bytes:
        if not isinstance(answer, bytes):
            raise self.endpoint.odd("something else than bytes")
        return bytes(answer)

    def address(self, answer: Any) -> str:
        found = answer.lower() if isinstance(answer, str) else ""
        if not _ADDRESS.fullmatch(found):
            raise self.endpoint.odd("something else than an address")
        return found

    def _belongs(self, event: Any, tx_hash: str, block_hash: str) -> None:
        self._same("an event", self.digest(self._of(event, "transactionHash")), tx_hash)
        self._same("an event", self.digest(self._of(event, "blockHash")), block_hash)
        if event.get("removed", False) is not False:
            raise self.endpoint.contradiction("a receipt has an event of a removed block")

    def _event(self, event: Any) -> tuple[str, bytes]:
        return self.address(self._of(event, "address")), self.data(self._of(event, "data"))

    def _same(self, what: str, found: str, expected: str) -> None:
        if found != expected:
            raise self.endpoint.odd(f"{what} of {found} where {expected} was asked for")

    def _of(self, answer: Any, name: str) -> Any:
        if not isinstance(answer, Mapping) or name not in answer:
            raise self.endpoint.odd(f"something without {name}")
        return answer[name]

    def _list(self, answer: Any) -> Sequence[Any]:
        if not isinstance(answer, list | tuple):
            raise self.endpoint.odd("something else than a list")
        return answer
