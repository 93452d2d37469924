"""Tools that frameworks name with their server or plugin: split where the parts are known."""

from __future__ import annotations

from typing import Any

import pytest

from agentguard.graph.model import Component, Graph
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.discovery.scoped_spans import payload, span

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}
SERVER = {"mcp.method.name": "tools/call", "mcp.server.name": "weather"}


def graph_of(*spans: dict[str, Any]) -> Graph:
    return scan([payload("acme", *spans)], dialects()).graph


def tool(
    number: int, name: str, more: dict[str, Any] | None = None, *, parent: int = 1
) -> dict[str, Any]:
    of = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    return span(number, f"execute_tool {name}", parent=parent, attributes=of | (more or {}))


def mcp(number: int, name: str, *, parent: int = 0) -> dict[str, Any]:
    of = SERVER | {"gen_ai.tool.name": name}
    return span(number, f"tools/call {name}", parent=parent, kind="client", attributes=of)


def tools(graph: Graph) -> set[tuple[str, str | None]]:
    return {(c.name, c.server) for c in graph.components if c.id.startswith("tool:")}


@pytest.mark.parametrize(
    "name", ["weather.rain_soon", "weather__rain_soon", "Weather/rain_soon", "weather:rain_soon"]
)
def test_a_tool_with_the_name_of_an_mcp_server_in_front_is_the_servers(name: str) -> None:
    clerk = span(1, "clerk", attributes=AGENT)

    found = tools(graph_of(clerk, tool(2, name), mcp(3, "forecast")))
    assert {(name, server.casefold()) for name, server in found if server} == {
        ("rain_soon", "weather"),
        ("forecast", "weather"),
    }


@pytest.mark.parametrize("name", ["weather_forecast", "weather-forecast"])
def test_after_a_separator_of_many_names_the_rest_must_be_a_tool_of_the_server(name: str) -> None:
    clerk = span(1, "clerk", attributes=AGENT)

    assert tools(graph_of(clerk, tool(2, name), mcp(3, "forecast"))) == {("forecast", "weather")}
    assert (name, None) in tools(graph_of(clerk, tool(2, name), mcp(3, "tides")))


def test_a_name_whose_parts_nothing_else_names_stays_whole() -> None:
    clerk = span(1, "clerk", attributes=AGENT)

    found = graph_of(clerk, tool(2, "weather.rain_soon"), tool(3, "Parcels-track"))
    assert tools(found) == {("weather.rain_soon", None), ("Parcels-track", None)}


def test_the_frameworks_span_around_the_servers_call_is_the_same_call() -> None:
    clerk = span(1, "clerk", attributes=AGENT)
    inner = mcp(3, "forecast", parent=2)
    wrapper = tool(2, "weather.forecast")
    wrapper["endTimeUnixNano"] = str(int(inner["endTimeUnixNano"]) + 1)

    found = graph_of(clerk, wrapper, inner)

    assert tools(found) == {("forecast", "weather")}
    assert [d.calls for d in found.dependencies if d.target.startswith("tool:")] == [1]


def test_a_tool_whose_span_names_the_server_is_the_servers() -> None:
    clerk = span(1, "clerk", attributes=AGENT)

    found = graph_of(clerk, tool(2, "tides.high_water", {"mcp.server.name": "tides"}))
    assert tools(found) == {("high_water", "tides")}


@pytest.mark.parametrize("key", ["semantic_kernel.plugin.name", "gen_ai.tool.plugin"])
def test_a_plugin_that_the_span_names_is_split_off_and_tells_tools_apart(key: str) -> None:
    def named(c: Component) -> bool:
        return c.name == "find"

    clerk = span(1, "clerk", attributes=AGENT)
    found = graph_of(
        clerk, tool(2, "Orders-find", {key: "Orders"}), tool(3, "find", {key: "Parcels"})
    )

    assert {c.id for c in filter(named, found.components)} == {
        "tool:desk/orders/find",
        "tool:desk/parcels/find",
    }
    assert all(c.server is None for c in found.components)
