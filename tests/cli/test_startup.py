from __future__ import annotations

import subprocess
import sys

HEAVY = [
    "pyarrow",
    "numpy",
    "sqlalchemy",
    "fastapi",
    "pydantic",
    "rich",
    "uvicorn",
    "yaml",
    "asyncio",
    "rustworkx",
    "google.protobuf",
]


def test_the_command_line_starts_without_anything_heavy():
    script = (
        f"import sys; import agentguard.cli.main; print(*[m for m in {HEAVY!r} if m in"
        " sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []


def test_help_needs_nothing_heavy_either():
    script = f"""
import sys, atexit
atexit.register(lambda: print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))
sys.argv = ["agentguard", "--help"]
from agentguard.cli.main import run
run()
"""

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "simulate" in done.stdout
    assert done.stderr.split() == []
