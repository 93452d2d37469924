"""Runs docker-compose.yml's service `keys` as the file says.

As root, with the capabilities that it has and no others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy import compose
from tests.deploy.container import Container

_PROJECT = compose.read()
_SERVICE = _PROJECT["services"]["keys"]
_SCRIPT = compose.ROOT / _PROJECT["configs"]["keys.py"]["file"]
_CAPABILITIES = ",".join(["-all", *(f"+{name.lower()}" for name in _SERVICE["cap_add"])])


def make_keys(container: Container) -> str:
    """Make what is missing in the container's /keys; return what the service prints."""
    for volume in _SERVICE["volumes"]:
        folder = Path(container.place(volume.partition(":")[2]))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    return run_keys(container, _SERVICE["command"], {})


def run_keys(container: Container, command: list[str], environment: Mapping[str, str]) -> str:
    if os.geteuid() != 0:
        pytest.skip(
            "The service `keys` gives files to users, so it runs as root, and this is none."
        )
    stand_ins = {"/keys.py": str(_SCRIPT), "python": sys.executable}
    words = [stand_ins.get(word) or container.place(word) for word in command]
    done = subprocess.run(
        ["setpriv", "--bounding-set", _CAPABILITIES, "--no-new-privs", *words],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def key(container: Container, server: str) -> str:
    return (container.root / "keys" / server / "key").read_text()
