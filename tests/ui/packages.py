"""The npm packages that the UI's tests use, as its lock file pins them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from filelock import FileLock

from scripts.services.packages import CACHE
from scripts.services.process import ServiceError
from scripts.ui_build import SOURCE, UIBuildError, node_path


@cache
def ui_packages() -> Path:
    """Return a folder whose node_modules holds all packages of ui/; raise ServiceError."""
    lock = SOURCE / "package-lock.json"
    fingerprint = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = CACHE / f"ui-{fingerprint}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "ui.lock"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for each in (lock, SOURCE / "package.json"):
                shutil.copy(each, folder)
            run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            (folder / "complete").touch()
    return folder


def run(folder: Path, *words: str) -> None:
    """Run a command of Node's in a folder; raise ServiceError with what it said if it fails."""
    try:
        path = node_path()
    except UIBuildError as error:
        raise ServiceError(str(error)) from error
    program = shutil.which(words[0], path=path)
    outcome = subprocess.run(
        [str(program), *words[1:]],
        cwd=folder,
        env={**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if outcome.returncode:
        raise ServiceError(f"`{' '.join(words)}` failed: {outcome.stdout}{outcome.stderr}"[-2000:])
