"""Answers about graphs have a largest size."""

from __future__ import annotations

import pytest

from agentguard.graph.filtering import GraphTooLargeError, check_size
from tests.simulation.worlds import needs, workflow, world


def test_an_answer_with_too_many_items_is_refused_with_its_size() -> None:
    graph = world(needs("a", "b"), needs("a", "c"), workflows=[workflow("w", "a")])

    check_size(graph, most=6)
    with pytest.raises(GraphTooLargeError, match="6 components, dependencies"):
        check_size(graph, most=5)
