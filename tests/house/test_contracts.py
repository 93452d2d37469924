"""The import contracts in pyproject.toml hold, and each of them fails when it is broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("contracts")

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    c["id"]: c["name"]
    for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
}


@dataclass(frozen=True)
class Breach:
    """One import that a contract must refuse, and the line that reports it."""

    importer: str
    imported: str
    line: str = ""

    @property
    def reported(self) -> str:
        package = self.imported.split(".", 1)[0]  # external modules are reported by their package
        imported = self.imported if package == "agentguard" else package
        return self.line or f"{self.importer} -> {imported} (l."


BREACHES = {
    "path": Breach("agentguard.ingest", "agentguard.graph.model"),
    "rings": Breach("agentguard.jobs", "agentguard.graph.model"),
    "shells-and-adapters": Breach("agentguard.web", "agentguard.adapters.sql"),
    "adapters-independent": Breach("agentguard.adapters.sql", "agentguard.adapters.files"),
    "acyclic": Breach(
        "agentguard.graph.model", "agentguard.graph.storage.store", ".model -> .storage ("
    ),
    "settings": Breach("agentguard.graph", "agentguard.settings"),
    "sql": Breach("agentguard.graph", "sqlalchemy"),
    "neo4j": Breach("agentguard.graph", "neo4j"),
    "http": Breach("agentguard.graph", "fastapi"),
    "grpc": Breach("agentguard.graph", "grpc.aio"),
    "terminal": Breach("agentguard.graph", "rich.text"),
    "pydantic": Breach("agentguard.graph", "pydantic"),
    "rustworkx": Breach("agentguard.graph", "rustworkx"),
    "redis": Breach("agentguard.bootstrap", "redis.asyncio"),
    "cachetools": Breach("agentguard.web", "cachetools"),
    "re2": Breach("agentguard.ingest", "re2"),
    "audit": Breach("agentguard.jobs", "cryptography.hazmat"),
    "accounts": Breach("agentguard.web", "jwt"),
    "oidc": Breach("agentguard.web", "joserfc"),
    "ptars": Breach("agentguard.graph", "ptars"),
    "sentry": Breach("agentguard.graph", "sentry_sdk"),
    "celery": Breach("agentguard.worker", "celery"),
    "web3": Breach("agentguard.audit", "eth_account"),
    "gemini": Breach("agentguard.playbooks", "google.genai"),
    "httpx": Breach("agentguard.notifications", "httpx"),
    "openai": Breach("agentguard.playbooks", "openai"),
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


def commit(breach: Breach, checkout: Path) -> None:
    path = checkout / "src" / breach.importer.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    path.write_text(f"{path.read_text()}\nimport {breach.imported}\n")


@pytest.fixture(scope="module")
def broken(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the linter says of each contract, by its name, after all breaches at once."""
    folder = tmp_path_factory.mktemp("broken") / "checkout"
    shutil.copytree(checkout, folder)
    for breach in BREACHES.values():
        commit(breach, folder)
    heading = re.compile(r"^(.+)\n-{3,}\n", re.MULTILINE)
    _, *parts = heading.split(lint(folder).stdout)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_all_contracts_hold(checkout: Path) -> None:
    outcome = lint(checkout)

    assert outcome.returncode == 0, outcome.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in outcome.stdout


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_contract_fails_when_broken(broken: Mapping[str, str], contract: str) -> None:
    assert BREACHES[contract].reported in broken[CONTRACTS[contract]]


def test_a_new_package_that_no_ring_names_fails(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("grown") / "checkout"
    shutil.copytree(checkout, folder)
    package = folder / "src" / "agentguard" / "forgotten"
    package.mkdir()
    (package / "__init__.py").write_text('"""A package that pyproject.toml does not name."""\n')

    outcome = lint(folder, "--contract", "rings")

    assert outcome.returncode == 1
    assert "- agentguard.forgotten\n" in outcome.stdout
