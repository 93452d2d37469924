"""Walks through the UI: Node drives Chromium, and prints what it found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from agentguard.web.ui import installed
from scripts.services.packages import node
from scripts.services.process import ServiceError
from tests.services import _missing
from tests.ui.packages import ui_packages

Found: TypeAlias = dict[str, Any]
"""What a walk found, by check."""

PAGES = (
    "fleet",
    "selected",
    "map",
    "table",
    "component",
    "risk",
    "traces",
    "trace",
    "what-if",
    "incidents",
    "incident",
    "incident form",
    "audit",
    "audit entry",
    "checkpoint",
    "anchors",
    "coverage",
    "catalog",
    "scan",
    "settings",
    "keys",
    "users",
    "notifications",
    "limits",
    "appearance",
)
"""The names of `pages.mjs`."""

SCREENSHOTS = Path(__file__).parents[2] / ".cache" / "ui"


@dataclass(frozen=True)
class Browser:
    """Chromium, and Node with the packages that drive it."""

    program: str
    modules: Path
    chromium: str

    def walk(
        self, script: str, url: str, home: Path, *more: Path, shots: Path = SCREENSHOTS
    ) -> Found:
        """Return what the script finds on the server; screenshots are kept in `shots`."""
        shots.mkdir(parents=True, exist_ok=True)
        walk = [self.program, str(Path(__file__).with_name(script)), str(self.modules)]
        outcome = subprocess.run(
            [*walk, self.chromium, url, str(shots), *map(str, more)],
            env={**os.environ, "HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert outcome.returncode == 0, outcome.stdout[-2000:] + outcome.stderr[-2000:]
        lines = outcome.stdout.splitlines()
        return {each["name"]: each["found"] for each in map(json.loads, lines)}


def browser_here() -> Browser:
    """Return what a walk needs; without one of it, skip."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        _missing("no Chromium on PATH (on Debian: apt-get install chromium)")
    if not installed():
        _missing("the UI is not built (run scripts/setup.sh dev)")
    try:
        return Browser(node(), ui_packages(), chromium)
    except ServiceError as error:
        _missing(str(error))
