"""Recordings as they came over the wire, against the same as exported to a file."""

from __future__ import annotations

import pytest

from agentguard.graph.scanning import scan
from tests.discovery.recordings import NAMES, bodies, dialects, lines

KEPT = [name for name in NAMES if bodies(name)]
"""Recordings whose raw bodies are small enough to keep."""


@pytest.mark.parametrize("name", KEPT)
def test_raw_bodies_and_exported_lines_give_one_graph(name: str) -> None:
    assert scan(bodies(name), dialects()).graph == scan(lines(name), dialects()).graph


def test_most_recordings_keep_their_bodies() -> None:
    assert len(KEPT) > len(NAMES) * 0.7
