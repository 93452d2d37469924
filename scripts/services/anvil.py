"""Anvil, an EVM node, with the chain id of Polygon's test network Amoy."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from scripts.services.packages import anvil as program
from scripts.services.process import Server, ServiceError, free_port

CHAIN_ID = 80002


def anvil(folder: Path) -> Server:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    return Server(
        "anvil",
        folder,
        [
            str(program()),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--chain-id",
            str(CHAIN_ID),
            "--silent",
        ],
        {"WEB3_PROVIDER_URL": url},
        lambda: _ask(url),
    )


def _ask(url: str) -> None:
    question = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    ).encode()
    request = urllib.request.Request(url, question, {"Content-Type": "application/json"})  # noqa: S310 - a loopback address of our own
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
        found = int(json.load(answer)["result"], 16)
    if found != CHAIN_ID:
        raise ServiceError(f"The node's chain id is {found}, not {CHAIN_ID}.")
