"""`python -m tests.ui.screenshots` (`make screenshots`): takes the pictures of docs/screenshots.

On a server with the recorded demo, its catalog, and one incident opened from a simulation.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from tests.ui import walking
from tests.web.process import Server, inherited

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "screenshots"
CATALOG = ROOT / "src" / "agentguard" / "demo_recording" / "catalog.yaml"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = {"AGENTGUARD_CATALOG": str(CATALOG)}
        subprocess.run(
            [sys.executable, "-m", "agentguard.cli", "demo", "--load"],
            env=inherited() | variables | {"AGENTGUARD_DATA_DIR": str(folder / "data")},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        server = Server(folder, **variables)
        try:
            return _taken(server.url, folder)
        finally:
            server.kill()


def _taken(url: str, home: Path) -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = walking.browser_here().walk(
        "screenshots.mjs", url, home, Path(_incident(url)), shots=FOLDER
    )
    for page, wrong in found.items():
        print(f"{FOLDER.relative_to(ROOT) / page}.png", *wrong)
    return 1 if any(found.values()) else 0


def _incident(url: str) -> str:
    """Open an incident from a simulation, and return its id."""
    with httpx.Client(base_url=url, timeout=60) as client:
        simulated = client.post("/api/simulate", json={"agent_id": "gpt-4o-mini"}).json()
        told = {"simulation": simulated["id"], "owner": "shop-team"}
        opened = client.post("/api/incidents", json=told)
        opened.raise_for_status()
        return str(opened.json()["id"])


if __name__ == "__main__":
    sys.exit(main())
