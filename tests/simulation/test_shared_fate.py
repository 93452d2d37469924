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


def test_a_server_and_its_tools_fail_together() -> None:
    found = members(graph("mcp-openinference"), "server:weather-mcp")

    assert {component.rpartition("/")[2] for component in found} == {
        "mcp_server:weather-mcp",
        "current_weather",
        "storm_warning",
    }


def test_an_unknown_group_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownGroupError) as caught:
        members(graph("multi-provider-traceloop"), "provider:nobody")

    assert "provider:openai" in str(caught.value)
    assert caught.value.status == 404


def test_a_service_fails_with_what_runs_in_it_and_not_with_what_it_calls() -> None:
    found = members(graph("fastapi-distributed"), "service:flights-agent")

    assert {component.partition(":")[0].rpartition("/")[2] for component in found} == {
        "service",
        "agent",
        "tool",
    }
    assert all("flights" in component for component in found)
