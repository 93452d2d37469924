"""Groups of components that share a fate."""

from __future__ import annotations

import pytest

from agentguard.simulation.shared_fate import UnknownGroupError, members
from tests.discovery.recordings import graph


def test_a_providers_models_fail_together() -> None:
    assert members(graph("multi-provider-traceloop"), "provider:OpenAI") == (
        "model:gpt-4o",
        "model:gpt-4o-mini",
    )


def test_a_servers_tools_fail_together() -> None:
    found = members(graph("mcp-openinference"), "server:weather-mcp")

    assert {component.rpartition("/")[2] for component in found} == {
        "current_weather",
        "storm_warning",
    }


def test_an_unknown_group_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownGroupError) as caught:
        members(graph("multi-provider-traceloop"), "provider:nobody")

    assert "provider:openai" in str(caught.value)
    assert caught.value.status == 404
