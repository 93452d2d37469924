"""`python -m scripts.contracts`: compiles the contract again and writes what the package needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.services.packages import SOLC_VERSION, node, solc

FOLDER = Path(__file__).parent.parent / "src/agentguard/adapters/evm"
SOURCE = FOLDER / "CheckpointAnchors.sol"
ARTIFACT = FOLDER / "CheckpointAnchors.json"
EVM_VERSION = "paris"
"""Newer code (PUSH0) does not run on every chain; this runs on all since 2022, so on Polygon."""
_SETTINGS = {
    "evmVersion": EVM_VERSION,
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}},
}
"""Without metadata the bytecode depends on the code alone, not on comments or paths."""
_COMPILE = """
const solc = require(process.argv[1]);
const question = require('fs').readFileSync(0, 'utf8');
process.stdout.write(solc.compile(question));
"""


def artifact() -> str:
    """Return the compiled contract, as it is committed."""
    contract = _compiled()["contracts"][SOURCE.name]["CheckpointAnchors"]
    document = {
        "contractName": "CheckpointAnchors",
        "compiler": f"solc {SOLC_VERSION}, evmVersion {EVM_VERSION}, optimizer runs 200",
        "abi": contract["abi"],
        "bytecode": f"0x{contract['evm']['bytecode']['object']}",
        "deployedBytecode": f"0x{contract['evm']['deployedBytecode']['object']}",
    }
    return json.dumps(document, indent=2) + "\n"


def _compiled() -> Any:
    question = {
        "language": "Solidity",
        "sources": {SOURCE.name: {"content": SOURCE.read_text("utf-8")}},
        "settings": _SETTINGS,
    }
    done = subprocess.run(
        [node(), "-e", _COMPILE, str(solc())],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    if answer.get("errors"):
        raise SystemExit("\n".join(one["formattedMessage"] for one in answer["errors"]))
    return answer


def main() -> int:
    ARTIFACT.write_text(artifact(), "utf-8")
    print(f"Wrote {ARTIFACT.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
