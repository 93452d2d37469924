"""The contract that stores anchors as events (`CheckpointAnchors.sol`)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from eth_utils.crypto import keccak

import agentguard.adapters.evm.recursion_limit  # noqa: F401 - for its effect

_CALL = keccak(text="anchor(bytes32,uint256,bytes32)")[:4]


def anchor_call(data: bytes) -> bytes:
    """Return the calldata by which the contract emits an event with this data.

    `anchor_data` is already what Solidity's ABI makes of the three arguments.
    """
    return _CALL + data


def deployment() -> bytes:
    """Return the calldata that makes the contract (its creation code)."""
    return bytes.fromhex(_artifact()["bytecode"].removeprefix("0x"))


def deployed_code() -> bytes:
    """Return the code that the contract has on a chain."""
    return bytes.fromhex(_artifact()["deployedBytecode"].removeprefix("0x"))


@cache
def _artifact() -> Any:
    text = files("agentguard.adapters.evm").joinpath("CheckpointAnchors.json").read_text("utf-8")
    return json.loads(text)
