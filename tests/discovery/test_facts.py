"""Answers about a window hold as long as other windows give the same ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agentguard.discovery.facts import Answers, RecordedFacts
from agentguard.discovery.prescan import Prescan

WINDOW = Prescan(
    frozenset({"shop"}),
    frozenset({"planner"}),
    frozenset({"tools"}),
    link_targets=np.array([1, 5], np.uint64),
)


def asked() -> Answers:
    recorded = RecordedFacts(WINDOW)
    assert "shop" in recorded.agent_services
    assert "planner" in recorded.agents
    assert "other" not in recorded.agents
    assert "other" not in recorded.tool_services
    assert recorded.are_link_targets(np.array([4, 5], np.uint64)).tolist() == [False, True]
    return recorded.answers


def test_answers_hold_where_only_what_was_not_asked_differs() -> None:
    other = Prescan(
        frozenset({"shop", "bank"}),
        frozenset({"planner", "writer"}),
        frozenset(),
        link_targets=np.array([2, 5, 7], np.uint64),
    )

    assert asked().hold(WINDOW)
    assert asked().hold(other)


@pytest.mark.parametrize(
    "other",
    [
        replace(WINDOW, agent_services=frozenset()),
        replace(WINDOW, agents=frozenset({"planner", "other"})),
        replace(WINDOW, tool_services=frozenset({"other"})),
        replace(WINDOW, link_targets=np.array([1, 4, 5], np.uint64)),
        replace(WINDOW, link_targets=np.array([1], np.uint64)),
    ],
)
def test_answers_do_not_hold_where_one_differs(other: Prescan) -> None:
    assert not asked().hold(other)
