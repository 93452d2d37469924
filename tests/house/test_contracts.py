"""The import contracts in pyproject.toml hold, and each of them fails when it is broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    c["id"]: c["name"]
    for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}


@dataclass(frozen=True)
class Breach:
    """One import that a contract must refuse."""

    importer: str
    imported: str


BREACHES = {
    "path": Breach("agentguard.ingest", "agentguard.graph.model"),
    "rings": Breach("agentguard.jobs", "agentguard.graph.model"),
    "shells-and-adapters": Breach("agentguard.web", "agentguard.adapters.sql"),
    "adapters-independent": Breach("agentguard.adapters.sql", "agentguard.adapters.files"),
    "acyclic": Breach("agentguard.graph.model", "agentguard.graph.store"),
    "settings": Breach("agentguard.graph", "agentguard.settings"),
    "sql": Breach("agentguard.graph", "sqlalchemy"),
    "neo4j": Breach("agentguard.graph", "neo4j"),
    "http": Breach("agentguard.graph", "fastapi"),
    "terminal": Breach("agentguard.graph", "rich.text"),
    "pydantic": Breach("agentguard.graph", "pydantic"),
    "rustworkx": Breach("agentguard.graph", "rustworkx"),
    "redis": Breach("agentguard.bootstrap", "redis.asyncio"),
    "cachetools": Breach("agentguard.web", "cachetools"),
    "ptars": Breach("agentguard.graph", "ptars"),
    "sentry": Breach("agentguard.graph", "sentry_sdk"),
    "celery": Breach("agentguard.worker", "celery"),
}


def lint(checkout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the linter on the copy: PYTHONPATH puts it before the installed package."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-logo",
            "--no-cache",
            *options,
        ],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its contracts."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(
        ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "demo_recording")
    )
    return folder


@contextmanager
def committed(breach: Breach, checkout: Path) -> Iterator[None]:
    path = checkout / "src" / breach.importer.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    clean = path.read_text()
    path.write_text(f"{clean}\nimport {breach.imported}\n")
    yield
    path.write_text(clean)


def test_all_contracts_hold(checkout: Path) -> None:
    outcome = lint(checkout)

    assert outcome.returncode == 0, outcome.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in outcome.stdout


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_contract_fails_when_broken(checkout: Path, contract: str) -> None:
    with committed(BREACHES[contract], checkout):
        outcome = lint(checkout, "--contract", contract)

    assert outcome.returncode == 1
    assert f"{CONTRACTS[contract]} BROKEN" in outcome.stdout
