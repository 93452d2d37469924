"""Opens the EVM chain of the settings, or any for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentguard.audit.chain import Chain, ChainReader
from agentguard.bootstrap.wiring import extra
from agentguard.kernel.errors import InvalidInputError
from agentguard.service_urls import url_fault
from agentguard.settings import Settings

if TYPE_CHECKING:
    from agentguard.adapters.evm.chain import EVMChain

WEB3 = "web3"
"""The optional packages for chains."""


def chain_of(settings: Settings) -> Chain | None:
    """Return the chain that the settings name, or None without endpoint or key; asks nothing yet.

    Raises InvalidInputError for an address whose checksum is wrong.
    """
    return evm_chain(settings)


def evm_chain(settings: Settings) -> EVMChain | None:
    """Return the same with what only EVM chains can do."""
    url, key = settings.web3_provider_url, settings.web3_private_key
    if url is None or key is None:
        return None
    with extra("WEB3_PROVIDER_URL", WEB3):
        from agentguard.adapters.evm.chain import EVMSettings, open_chain
        from agentguard.adapters.evm.fees import GWEI
    limit = settings.web3_max_fee_gwei * GWEI
    how = EVMSettings(settings.web3_contract_address, settings.web3_chain_id, limit)
    return open_chain(
        url.get_secret_value(),
        key.get_secret_value(),
        settings.web3_timeout_seconds,
        how,
        settings.web3_finality_depth,
    )


def reader_of(settings: Settings) -> ChainReader | None:
    """Return a reader of the chain behind the endpoint of the settings; None: there is none."""
    if settings.web3_provider_url is None:
        return None
    with extra("WEB3_PROVIDER_URL", WEB3):
        from agentguard.adapters.evm.reader import open_reader
    url = settings.web3_provider_url.get_secret_value()
    return open_reader(url, settings.web3_timeout_seconds, settings.web3_finality_depth)


def deploy_contract(settings: Settings, *, wait_seconds: float) -> str:
    """Return the address of a new contract for anchors, made by the account of the settings.

    Raises InvalidInputError without such an account or if a contract is set already, and the
    errors of `sign` and `send` (agentguard.audit.chain).
    """
    chain = evm_chain(settings)
    if chain is None:
        raise InvalidInputError("Set WEB3_PROVIDER_URL and WEB3_PRIVATE_KEY first.")
    if settings.web3_contract_address is not None:
        raise InvalidInputError(
            f"WEB3_CONTRACT_ADDRESS is set already: {settings.web3_contract_address}. Unset it to"
            " make another contract."
        )
    from agentguard.adapters.evm.deploying import deploy

    return deploy(chain, wait_seconds=wait_seconds)


def chain_reader(url: str, *, timeout_seconds: float = 10) -> ChainReader:
    """Return a reader of the chain behind an RPC endpoint; asks nothing yet.

    Raises InvalidInputError, without the URL, which may hold a key.
    """
    if fault := url_fault("web3_provider_url", url):
        raise InvalidInputError(f"The URL of the RPC endpoint is {fault}.")
    with extra("--rpc", WEB3):
        from agentguard.adapters.evm.reader import open_reader
    return open_reader(url, timeout_seconds)
