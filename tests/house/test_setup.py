"""scripts/setup.sh on machines that lack something.

The commands it would call are stand-ins that note how they were called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


class Machine:
    """A checkout with only the set-up script, and a PATH on which commands can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        (self.checkout / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup.sh", self.checkout / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.checkout)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.calls = folder / "calls"

    def command(self, name: str, body: str) -> Path:
        script = self.bin / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{body}\n')
        script.chmod(0o755)
        return script

    def set_up(self, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        return subprocess.run(
            [self.checkout / "scripts" / "setup.sh", "dev"],
            env={**os.environ, "PATH": path, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# Answers `-c` as a Debian Python without its venv package does, until apt-get has been asked for
# it; makes an empty environment.
DEBIAN_PYTHON = """
case "$2" in
  *ensurepip*) [ -e "{flag}" ] ;;
  *version_info\\[:2\\]*) echo python3.11-venv ;;
  venv) exit 7 ;;
esac
"""


def test_without_a_new_python_one_sentence_says_what_to_install(machine: Machine) -> None:
    old = machine.command("python-old", "exit 1")

    outcome = machine.set_up(PYTHON=str(old))

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert "Python 3.11 or newer" in outcome.stderr


def test_without_venv_and_without_root_one_sentence_says_what_to_install(
    machine: Machine, tmp_path: Path
) -> None:
    python = machine.command("python-debian", DEBIAN_PYTHON.format(flag=tmp_path / "never"))
    machine.command("id", "echo 1000")
    machine.command("apt-get", "exit 9")

    outcome = machine.set_up(PYTHON=str(python))

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert "sudo apt-get install python3.11-venv" in outcome.stderr
    assert "apt-get " not in machine.calls.read_text()


def test_without_venv_root_has_apt_install_it(machine: Machine, tmp_path: Path) -> None:
    flag = tmp_path / "installed"
    python = machine.command("python-debian", DEBIAN_PYTHON.format(flag=flag))
    machine.command("id", "echo 0")
    machine.command("apt-get", f'case "$1" in install) touch "{flag}" ;; esac')

    outcome = machine.set_up(PYTHON=str(python))

    asked = [line for line in machine.calls.read_text().splitlines() if line.startswith("apt-get")]
    assert asked == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends python3.11-venv",
    ]
    assert outcome.returncode == 7  # it went on to make the environment, which the stand-in refuses


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {
        canonicalize_name(r.name): r.specifier
        for r in map(Requirement, (x for x in lines if not x.startswith("#")))
    }

    needed = {
        canonicalize_name(r.name): r.specifier
        for r in map(Requirement, declared)
        if r.name != "agentguard"
    }

    assert {name for name in needed if name not in pins} == set(), "run `make pins`"
    assert all(str(pin).startswith("==") for pin in pins.values())
    assert [
        n for n, wanted in needed.items() if not wanted.contains(str(pins[n])[2:], prereleases=True)
    ] == []
