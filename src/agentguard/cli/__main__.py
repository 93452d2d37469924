"""`python -m agentguard.cli`: the command line without its script."""

from __future__ import annotations

from agentguard.cli.main import run

if __name__ == "__main__":
    run()
