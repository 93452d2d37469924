"""The same spans give the same document in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

RECORDING = Path(__file__).parents[1] / "data" / "traces" / "pydantic-ai"


def scanned(hash_seed: str, folder: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "AGENTGUARD_DATA_DIR": str(folder / hash_seed),
    }
    command = [
        str(Path(sys.executable).with_name("agentguard")),
        "scan",
        str(RECORDING),
        "--no-store",
        "--format",
        "json",
    ]
    outcome = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=120,
    )
    document: dict[str, Any] = json.loads(outcome.stdout)
    del document["dataset"], document["graph_version"]
    return document


def test_the_order_of_python_sets_does_not_show(tmp_path: Path) -> None:
    documents = [scanned(seed, tmp_path) for seed in ("1", "2", "3")]

    assert documents[0]["components"]
    assert all(document == documents[0] for document in documents[1:])
