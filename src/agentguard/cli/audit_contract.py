"""`agentguard audit deploy-contract`, and what `verify` knows of chains."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from agentguard.cli.messages import say
from agentguard.cli.options import examples

if TYPE_CHECKING:
    from agentguard.audit.chain import ChainReader

DEPLOY_EXAMPLES = examples("agentguard audit deploy-contract >> .env")

RpcOption = Annotated[
    str | None,
    typer.Option(
        "--rpc", help="URL of an RPC endpoint, to ask the chain for the anchor.", show_default=False
    ),
]
ChainOption = Annotated[
    int | None,
    typer.Option(help="Id of the chain that must hold the anchor; 137: Polygon.", min=1),
]
ContractOption = Annotated[
    str | None,
    typer.Option(help="Address that must hold the anchor, got from elsewhere.", show_default=False),
]


def deploy_contract(
    wait_seconds: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for the block.", min=1)
    ] = 120,
) -> None:
    """Make the contract that stores anchors as events, and print its address as a setting.

    The account of WEB3_PRIVATE_KEY pays, about 100,000 units of gas. One contract is enough for
    each chain, for any number of logs: it has no owner.
    """
    from agentguard.bootstrap.chain import deploy_contract as deploy
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_text

    address = deploy(settings_with(None, None), wait_seconds=wait_seconds)
    say(f"The contract is at {address}. Add the setting to those of every server.")
    print_text(f"WEB3_CONTRACT_ADDRESS={address}\n")


def reader_of(rpc: str | None) -> ChainReader | None:
    """Return a reader of the chain behind the endpoint. Raises InvalidInputError."""
    from agentguard.bootstrap.chain import chain_reader

    return None if rpc is None else chain_reader(rpc)


def checked_contract(contract: str | None) -> str | None:
    """Return the address, which has the form of one. Raises InvalidInputError."""
    from agentguard.kernel.errors import InvalidInputError

    if contract is not None and not re.fullmatch(r"0x[0-9A-Fa-f]{40}", contract):
        raise InvalidInputError(
            f"{contract!r} is not an address: it has 0x and 40 hexadecimal digits. Correct"
            " --contract."
        )
    return contract
