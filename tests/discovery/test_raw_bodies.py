"""Recordings as they came over the wire, against the same as exported to a file."""

from __future__ import annotations

import pytest

from agentguard.scan.pipeline import scan
from tests.discovery.recordings import NAMES, bodies, dialects, lines

TOO_LARGE = {
    "beeai-openinference",
    "dspy-openinference",
    "haystack-native",
    "langchain-js-openinference",
    "langgraph-openinference",
    "langsmith-otel",
    "litellm-proxy",
    "llama-index-traceloop",
    "logfire-pydantic-graph",
    "mlflow-langgraph",
    "smolagents-openinference",
}
"""Recordings whose raw bodies are too large to keep."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TOO_LARGE])
def test_raw_bodies_and_exported_lines_give_one_graph(name: str) -> None:
    assert scan(bodies(name), dialects()).graph == scan(lines(name), dialects()).graph


def test_all_recordings_but_the_largest_keep_their_bodies() -> None:
    assert {name for name in NAMES if not bodies(name)} == TOO_LARGE
