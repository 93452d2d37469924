"""Tests that share a costly fixture run in one process."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("groups")
def test_groups_hold(request: pytest.FixtureRequest) -> None:
    """pytest-xdist appends the group to the node id; without that it spreads the group."""
    grouped: bool = getattr(request.config.option, "loadgroup", False)

    assert request.node.nodeid.endswith("@groups") is grouped
