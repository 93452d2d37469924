"""Opening a chain leaves Python's recursion limit as it is, which keeps deep JSON harmless."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import agentguard.adapters.evm

MODULES = sorted(Path(str(agentguard.adapters.evm.__file__)).parent.glob("*.py"))
LIBRARIES = re.compile(r"^(from|import) (web3|eth_\w+|requests|hexbytes)\b", re.MULTILINE)
DEEP = """
import json
import agentguard.adapters.evm.deploying
try:
    json.loads("[" * 100_000)
except RecursionError:
    print("refused")
"""


def test_deep_json_is_still_refused_after_web3_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_who_imports_web3_sets_the_limit_back(module: Path) -> None:
    text = module.read_text("utf-8")

    assert not LIBRARIES.search(text) or "import agentguard.adapters.evm.recursion_limit" in text
