"""Names that stay the same from run to run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import (
    clean,
    identity,
    is_agent_name,
    model_name,
    name_rules,
    undated,
)
from agentguard.ingest.payloads import DocumentPayload
from agentguard.scan.pipeline import scan
from tests.discovery.scoped_spans import document, span

EXAMPLES = [
    (section, rule.id, *pair)
    for section in ("components", "models")
    for rule in name_rules(section)
    for pair in rule.examples
]


def named(section: str, written: str) -> str | None:
    if section == "components":
        return clean(written)
    name = model_name(written)
    return undated(name) if name else None


@pytest.mark.parametrize(("section", "rule", "written", "name"), EXAMPLES)
def test_every_rule_of_the_table_does_what_its_examples_say(
    section: str, rule: str, written: str, name: str
) -> None:
    assert named(section, written) == (name or None), rule


@pytest.mark.parametrize("section", ["components", "models"])
def test_every_rule_says_whom_it_follows_and_shows_what_it_takes_out(section: str) -> None:
    for rule in name_rules(section):
        assert rule.source
        assert any(written != name for written, name in rule.examples), rule.id


@given(st.text(max_size=80))
def test_a_name_that_was_cleaned_stays(name: str) -> None:
    assert clean(clean(name)) == clean(name)


@pytest.mark.parametrize(
    ("written", "name"),
    [("gpt-4o", "gpt-4o"), ("Topic Researcher", "Topic Researcher"), ("  ", None)],
)
def test_what_is_no_run_id_stays(written: str, name: str | None) -> None:
    assert clean(written) == name


def test_a_list_of_models_is_no_model() -> None:
    assert model_name("fallback:gpt-4.1,gpt-4.1-mini") is None


@given(st.text(min_size=1), st.sampled_from(ComponentKind))
def test_names_that_differ_only_in_case_have_one_id(name: str, kind: ComponentKind) -> None:
    assert (
        identity(kind, name).id == identity(kind, name.casefold()).id
        or name.casefold().casefold() != name.casefold()
    )


def test_one_tool_name_on_two_servers_is_two_tools() -> None:
    assert (
        identity(ComponentKind.TOOL, "search", server="a").id
        != identity(ComponentKind.TOOL, "search", server="b").id
    )


@pytest.mark.parametrize(
    "service",
    ["PricingAgent", "support-bot", "research_assistant", "agent", "worker-3", "HTTPAgent"],
)
def test_services_that_say_agent_are_recognised(service: str) -> None:
    assert is_agent_name(service)


@pytest.mark.parametrize(
    "service", ["payments", "reagent-store", "robotics", "agency", "coworkers"]
)
def test_words_that_only_contain_agent_are_not(service: str) -> None:
    assert not is_agent_name(service)


def test_tools_of_one_name_in_two_services_are_two_tools():
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    documents = [
        document("acme", span(n, "execute_tool search", trace=n, attributes=tool), service=service)
        for n, service in enumerate(("desk", "billing", "desk", "unknown_service:python", ""), 1)
    ]
    payloads = [DocumentPayload(str(n), found) for n, found in enumerate(documents)]
    graph = scan(payloads, load_dialects()).graph

    assert {c.id: c.invocations for c in graph.components if c.kind == "tool"} == {
        "tool:desk/search": 2,
        "tool:billing/search": 1,
        "tool:search": 2,
    }
