"""What fails together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph, Hosting
from agentguard.simulation.fate_groups import FateKind, family_of, fate_groups, region_of
from tests.simulation.worlds import BASIS, component, needs, world


def model(name: str, *providers: str, **more):
    return component(name, ComponentKind.MODEL, providers=providers, **more)


def hosted(graph: Graph, *pairs: tuple[str, str], kind=ComponentKind.SERVICE) -> Graph:
    return replace(
        graph,
        runs_in=tuple(Hosting(c, host, kind, host, BASIS, (), runs=1) for c, host in pairs),
    )


def groups(graph: Graph, kind: FateKind, least: int = 2):
    return {
        g.name: (g.members, g.partly) for g in fate_groups(graph, least=least) if g.kind is kind
    }


def test_models_of_one_provider_fail_together_however_it_is_spelt():
    graph = world(components=[model("a", "openai"), model("b", "OpenAI"), model("c", "mistral")])

    assert groups(graph, FateKind.PROVIDER) == {"openai": (("a", "b"), ())}


def test_a_model_with_two_providers_outlives_one_of_them():
    graph = world(components=[model("a", "openai"), model("b", "openai", "azure")])

    assert groups(graph, FateKind.PROVIDER, least=1) == {
        "azure": ((), ("b",)),
        "openai": (("a",), ("b",)),
    }


def test_an_agent_of_a_vendors_framework_does_not_run_at_the_vendor():
    graph = world(components=[component("a", providers=("openai",)), model("b", "openai")])

    assert groups(graph, FateKind.PROVIDER) == {}


def test_what_runs_in_one_service_fails_together():
    graph = hosted(world(needs("A", "B"), needs("A", "C")), ("A", "shop"), ("B", "shop"))

    assert groups(graph, FateKind.SERVICE) == {"shop": (("A", "B"), ())}


def test_what_runs_in_two_services_outlives_one():
    graph = hosted(world(needs("A", "B")), ("A", "one"), ("B", "one"), ("B", "two"))

    assert groups(graph, FateKind.SERVICE) == {"one": (("A",), ("B",))}


def test_the_tools_of_an_mcp_server_fail_together():
    graph = hosted(
        world(needs("A", "t"), needs("A", "u")),
        ("t", "files"),
        ("u", "files"),
        kind=ComponentKind.MCP_SERVER,
    )

    assert groups(graph, FateKind.SERVER) == {"files": (("t", "u"), ())}


def test_what_uses_one_datastore_shares_its_fate():
    graph = world(
        needs("A", "db"), needs("B", "db"), components=[component("db", ComponentKind.DATASTORE)]
    )
    (group,) = (g for g in fate_groups(graph) if g.kind is FateKind.DATASTORE)

    assert (group.label, group.members, group.component) == ("datastore:db", ("A", "B"), "db")


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"),
        ("europe-west4-aiplatform.googleapis.com", "europe-west4"),
        ("https://sqs.us-gov-west-1.amazonaws.com/queue", "us-gov-west-1"),
        ("api.openai.com", None),
        ("my-east-1-host", None),
    ],
)
def test_a_region_is_what_the_address_names(address, region):
    assert region_of(component("a", attributes={"server.address": address})) == region


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4o-mini", "gpt"),
        ("gpt-3.5-turbo", "gpt"),
        ("claude-sonnet-4", "claude"),
        ("meta/llama3-3-70b", "llama"),
        ("text-embedding-3-small", "text-embedding"),
        ("4o", None),
    ],
)
def test_a_family_is_the_letters_with_which_a_models_name_begins(name, family):
    assert family_of(model(name)) == family
