"""Read-only inspection of the chain, the account that pays and the contract."""

from __future__ import annotations

from dataclasses import dataclass

from agentguard.adapters.evm.chain import EVMChain
from agentguard.adapters.evm.contract import deployed_code
from agentguard.adapters.evm.networks import check_chain
from agentguard.audit.chain_names import numbered_chain

_SAMPLE = bytes(range(96))
"""Of an anchor's size and, like hashes, without many zeros, which cost less."""


@dataclass(frozen=True, slots=True)
class ChainServer:
    """What an RPC endpoint for anchors says of its chain and the account. Amounts in wei."""

    place: str
    chain: str
    """Its id and name."""
    has_final_tag: bool
    address: str
    balance: int
    anchor_cost: int | None
    """Of one anchor at the fees of now; None: the contract cannot be called."""
    fee: int
    """Per unit of gas, for the next block."""
    fee_limit: int
    contract: str | None
    contract_code: bytes
    """Empty without a contract."""

    @property
    def contract_is_ours(self) -> bool:
        return self.contract_code == deployed_code()


def inspect_chain(chain: EVMChain) -> ChainServer:
    """Return what an anchor would meet now; nothing is sent.

    Raises ChainUnavailableError, WrongChainError, TransactionRefusedError (the contract reverts).
    """
    chain_id = check_chain(chain.settings.chain_id, chain.chain_id())
    contract = chain.settings.contract
    code = b"" if contract is None else chain.code(contract)
    market = chain.market(chain_id)
    fee = market.base_fee + market.tip
    callable_ = contract is None or bool(code)
    return ChainServer(
        place=chain.reader.endpoint.place,
        chain=numbered_chain(chain_id),
        has_final_tag=chain.reader.has_final_tag(),
        address=chain.signer.address,
        balance=chain.account().balance,
        anchor_cost=chain.anchor_gas(_SAMPLE) * fee if callable_ else None,
        fee=fee,
        fee_limit=chain.settings.max_fee,
        contract=contract,
        contract_code=code,
    )
