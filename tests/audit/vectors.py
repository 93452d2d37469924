"""Reads the vectors of tests/data/audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "audit"


def document(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]
