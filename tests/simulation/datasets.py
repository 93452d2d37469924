"""Graphs with exact answers (tests/data/README.md says where they come from)."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "data" / "graphs"


@cache
def debian_cone() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        gzip.decompress((_FOLDER / "debian_cone.json.gz").read_bytes())
    )
    return found


@cache
def debian_answers() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_FOLDER / "answers.json").read_bytes())
    return found


@cache
def small_graphs() -> list[dict[str, Any]]:
    """Directed ones only."""
    return [g for g in every_small_graph() if g["directed"]]


@cache
def every_small_graph() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((_FOLDER / "small_exact.json").read_bytes())["graphs"]
    return found


def numbered(graph: dict[str, Any]) -> tuple[int, list[tuple[int, int]]]:
    """The graph's size and edges, nodes by their place in its list."""
    place = {node: i for i, node in enumerate(graph["nodes"])}
    return len(place), [(place[a], place[b]) for a, b in graph["edges"]]
