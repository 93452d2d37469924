"""Names that stay the same from run to run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind
from agentguard.discovery.naming import clean, identity, model_name, names_an_agent, undated


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Flow_8c26cd0f-92e8-4e66-a9bc-916801865ad3", "Flow"),
        ("writer (d2b39408-4af6-4359-9e92-72666d3bfde7)", "writer"),
        ("8c26cd0f-92e8-4e66-a9bc-916801865ad3", None),
        ("worker-5f2c9a1b77de40c1", "worker"),
        ("gpt-4o", "gpt-4o"),
        ("Topic Researcher", "Topic Researcher"),
        ("cafe", "cafe"),
        ("  ", None),
    ],
)
def test_run_ids_never_become_names(written: str, name: str | None) -> None:
    assert clean(written) == name


@pytest.mark.parametrize(
    ("written", "undated_name"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4"),
        ("models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("llama3.1:8b", "llama3.1:8b"),
    ],
)
def test_a_models_dated_and_prefixed_names_are_one(written: str, undated_name: str) -> None:
    name = model_name(written)

    assert name is not None
    assert undated(name) == undated_name


def test_a_list_of_models_is_no_model() -> None:
    assert model_name("fallback:gpt-4.1,gpt-4.1-mini") is None


@given(st.text(min_size=1), st.sampled_from(ComponentKind))
def test_names_that_differ_only_in_case_have_one_id(name: str, kind: ComponentKind) -> None:
    assert identity(kind, name).id == identity(kind, name.casefold()).id or name.casefold().casefold() != name.casefold()


def test_one_tool_name_on_two_servers_is_two_tools() -> None:
    assert identity(ComponentKind.TOOL, "search", server="a").id != identity(ComponentKind.TOOL, "search", server="b").id


@pytest.mark.parametrize("service", ["PricingAgent", "support-bot", "research_assistant", "agent", "worker-3", "HTTPAgent"])
def test_services_that_say_agent_are_recognised(service: str) -> None:
    assert names_an_agent(service)


@pytest.mark.parametrize("service", ["payments", "reagent-store", "robotics", "agency", "coworkers"])
def test_words_that_only_contain_agent_are_not(service: str) -> None:
    assert not names_an_agent(service)
