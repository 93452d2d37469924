"""Draw docs/terminal.svg: the terminal output of a simulation of the recorded demo systems.

`make picture` runs it.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "terminal.svg"
WIDTH = 100
COMMAND_SHOWN = ("simulate", "PaymentAgent")
CATALOG = str(Path(__file__).parents[1] / "src" / "agentguard" / "demo_recording" / "catalog.yaml")
COMMAND = Path(sys.executable).parent / "agentguard"


def printed(*arguments: str, data: Path) -> str:
    """Return the output of a command, with its colors."""
    environment = {
        **os.environ,
        "AGENTGUARD_DATA_DIR": str(data),
        "AGENTGUARD_CATALOG": CATALOG,
        "FORCE_COLOR": "1",
        "COLUMNS": str(WIDTH),
        "TERM": "xterm-256color",
    }
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def drawn(output: str) -> str:
    """Return an SVG of the output that loads no font from another host."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output))
    svg = console.export_svg(title="agentguard", theme=MONOKAI, unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace(
        "Fira Code", "ui-monospace"
    )
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        printed("demo", "--load", data=Path(folder))
        simulated = printed(*COMMAND_SHOWN, data=Path(folder))
    PICTURE.write_text(
        drawn(f"\x1b[1m$ agentguard {' '.join(COMMAND_SHOWN)}\x1b[0m\n\n{simulated}")
    )


if __name__ == "__main__":
    main()
