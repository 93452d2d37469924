"""The wheel holds all that the product needs, and works without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

pytestmark = pytest.mark.xdist_group("wheel")

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "agentguard"
Command: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


def run(
    *command: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def agentguard(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command of a fresh environment that holds the wheel.

    What it depends on comes from this one, the checkout does not.
    """
    folder = tmp_path_factory.mktemp("machine")
    made = run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    assert made.returncode == 0, made.stderr
    packages = Path(
        sysconfig.get_path(
            "purelib", "venv", {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        )
    )
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = folder / "venv" / "bin" / "python"
    installed = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel
    )
    assert installed.returncode == 0, installed.stdout + installed.stderr
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "COV_", "PYTEST_"))
    }
    where = run(
        python,
        "-c",
        "import agentguard; print(agentguard.__path__[0])",
        cwd=folder,
        env=environment,
    )
    assert where.stdout.strip() == str(packages / "agentguard")

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        settings = {"AGENTGUARD_DATA_DIR": str(folder / "data")}
        return run(
            folder / "venv" / "bin" / "agentguard",
            *arguments,
            cwd=folder,
            env={**environment, **settings},
        )

    return command


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    tracked = run("git", "ls-files", "-z", "src/agentguard")
    if tracked.returncode:
        pytest.skip("not a git checkout")
    wanted = {
        name.removeprefix("src/")
        for name in tracked.stdout.split("\0")
        if name and (ROOT / name).is_file()
    }

    held = set(zipfile.ZipFile(wheel).namelist())

    assert wanted - held == set()
    for folder in ("discovery/dialects/", "adapters/sql/migrations/", "demo_recording/"):
        assert any(name.startswith(f"agentguard/{folder}") for name in held), (
            f"no {folder} in the wheel"
        )


def test_help_works_from_the_wheel(agentguard: Command) -> None:
    outcome = agentguard("--help")

    assert outcome.returncode == 0, outcome.stderr
    assert "scan" in outcome.stdout


def test_the_recorded_demo_works_from_the_wheel(agentguard: Command) -> None:
    demo = agentguard("demo", "--load")
    graph = agentguard("graph", "--format", "json")

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert graph.returncode == 0, graph.stderr
    assert json.loads(graph.stdout)["nodes"]
