"""Reads transactions of an EVM chain from an RPC endpoint that is not trusted."""

from __future__ import annotations

from dataclasses import dataclass

from eth_typing import BlockNumber, HexStr
from web3.types import BlockIdentifier

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect
from agentguard.adapters.evm.answers import Answers, Block, Call, Receipt
from agentguard.adapters.evm.endpoint import Endpoint, RPCRefusalError
from agentguard.audit.chain import MinedBlock, MinedTransaction

FINALITY_DEPTH = 256
"""Blocks on top of one that is final, where the endpoint has no `finalized` tag; on Polygon, about
nine minutes.
"""


@dataclass(frozen=True, slots=True)
class EVMReader:
    """Implements the port ChainReader. Holds no connection, so there is nothing to close."""

    endpoint: Endpoint
    finality_depth: int = FINALITY_DEPTH

    @property
    def answers(self) -> Answers:
        return Answers(self.endpoint)

    def chain_id(self) -> int:
        return self.answers.number(self.endpoint.ask(lambda eth: eth.chain_id))

    def transaction(self, tx_hash: str) -> MinedTransaction | None:
        """Do as the port says.

        The answers come one after another: where receipt, transaction and block do not agree, the
        chain has changed meanwhile, or the endpoint errs, and none of them is believed.
        """
        receipt = self._receipt(tx_hash)
        if receipt is None:
            return None
        call = self._call(tx_hash)
        final = self._is_final(receipt.block_number)
        block = self._block(receipt.block_number)
        self._check_agreement(receipt, call, block)
        return MinedTransaction(
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            block_time=block.time,
            succeeded=receipt.succeeded,
            data=_data(receipt, call),
            finalised=final,
            gas_used=receipt.gas_used,
            gas_price=receipt.gas_price,
        )

    def block(self, number: int) -> MinedBlock | None:
        found = self.endpoint.find(lambda eth: eth.get_block(BlockNumber(number)))
        if found is None:
            return None
        block = self._of_height(number, self.answers.block(found))
        return MinedBlock(block.hash, self.answers.transactions(found))

    def has_final_tag(self) -> bool:
        """Whether the endpoint tells which block is final. Raises ChainUnavailableError."""
        return self._number_of("finalized") is not None

    def _receipt(self, tx_hash: str) -> Receipt | None:
        found = self.endpoint.find(lambda eth: eth.get_transaction_receipt(HexStr(tx_hash)))
        return None if found is None else self.answers.receipt(found, tx_hash)

    def _call(self, tx_hash: str) -> Call:
        found = self.endpoint.find(lambda eth: eth.get_transaction(HexStr(tx_hash)))
        if found is None:
            raise self.endpoint.contradiction(f"it has a receipt, and no transaction {tx_hash}")
        return self.answers.call(found, tx_hash)

    def _block(self, number: int) -> Block:
        found = self.endpoint.find(lambda eth: eth.get_block(BlockNumber(number)))
        if found is None:
            raise self.endpoint.contradiction(f"it has a receipt of block {number}, and no block")
        return self._of_height(number, self.answers.block(found))

    def _of_height(self, number: int, block: Block) -> Block:
        if block.number != number:
            raise self.endpoint.odd(f"block {block.number} where {number} was asked for")
        return block

    def _check_agreement(self, receipt: Receipt, call: Call, block: Block) -> None:
        """Refuse a receipt of a block that is not, or no longer, on the chain."""
        if not receipt.block_hash == call.block_hash == block.hash:
            raise self.endpoint.contradiction(
                f"receipt, transaction and block {block.number} have different block hashes"
            )

    def finalised(self) -> BlockNumber | None:
        """Return the newest block that is final; None if there is none yet."""
        finalised = self._number_of("finalized")
        if finalised is not None:
            return BlockNumber(finalised)
        newest = self._number_of("latest")
        if newest is None or newest < self.finality_depth:
            return None
        return BlockNumber(newest - self.finality_depth)

    def _is_final(self, number: int) -> bool:
        finalised = self.finalised()
        return finalised is not None and number <= finalised

    def _number_of(self, tag: BlockIdentifier) -> int | None:
        """Return the number of the block with this tag; None where the endpoint has no such tag."""
        try:
            found = self.endpoint.find(lambda eth: eth.get_block(tag))
        except RPCRefusalError:
            return None
        return None if found is None else self.answers.block(found).number


def _data(receipt: Receipt, call: Call) -> dict[str, tuple[bytes, ...]]:
    """Return, by address, the data of its events and the calldata sent to it."""
    pairs = list(receipt.events)
    if call.recipient is not None:
        pairs.append((call.recipient, call.calldata))
    found: dict[str, tuple[bytes, ...]] = {}
    for address, data in pairs:
        found[address] = (*found.get(address, ()), data)
    return found


def open_reader(
    url: str, timeout_seconds: float, finality_depth: int = FINALITY_DEPTH
) -> EVMReader:
    """Return a reader of the chain that the RPC endpoint serves; nothing is asked yet."""
    return EVMReader(Endpoint(url, timeout_seconds), finality_depth)
