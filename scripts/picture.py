"""Draw docs/terminal.svg: what the recorded demo prints, as it prints it. `make picture` runs it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "terminal.svg"
WIDTH = 116
COMMAND = Path(sys.executable).parent / "agentguard"


def printed(*arguments: str, data: Path) -> str:
    """What a command prints, colours included."""
    environment = {**os.environ, "AGENTGUARD_DATA_DIR": str(data), "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    return subprocess.run(
        [COMMAND, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout


def drawn(output: str, title: str) -> str:
    """An SVG of the output that asks no other host for a font."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output))
    svg = console.export_svg(title=title, theme=MONOKAI)
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
