"""Templates are data: validated whole, with one error, and overridden by files of the user."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind
from agentguard.playbooks.errors import PlaybookTemplateError, UnknownConditionError
from agentguard.playbooks.templates import (
    FALLBACK_CONDITION,
    load_templates,
    packaged_templates,
    read_template,
)
from agentguard.simulation.modes import FailureMode

GOOD = """\
condition: rate_limit
title: Too many calls to {component}
kinds: [model]
modes: [errors]
confirm: [Ask the gateway team.]
contain:
  - measure: hold
    title: Let {caller} go on without {callee}
    action: Flip the switch of {caller}.
    rollback: Flip it back.
restore: [Wait.]
signal: errors
"""


@pytest.mark.parametrize("kind", ComponentKind)
@pytest.mark.parametrize("mode", FailureMode)
def test_every_kind_and_mode_has_a_template(kind, mode):
    found = packaged_templates().suited(kind, mode)

    assert found.condition == FALLBACK_CONDITION or (kind in found.kinds and mode in found.modes)


def test_no_two_packaged_templates_are_for_the_same():
    taken = [
        (kind, mode)
        for t in packaged_templates().by_condition.values()
        for kind in t.kinds
        for mode in t.modes
    ]

    assert len(taken) == len(set(taken))


@pytest.mark.parametrize(
    "condition",
    [
        "provider_outage",
        "rate_limit",
        "latency",
        "mcp_server_down",
        "tool_schema_change",
        "wrong_output",
        "agent_loop",
        "shadow_agent",
        "queue_backlog",
        "database",
    ],
)
def test_the_failure_modes_that_users_name_have_a_template(condition):
    assert packaged_templates().named(condition).contain


def test_a_file_of_the_user_replaces_the_packaged_template(tmp_path: Path):
    own = tmp_path / "rate.yaml"
    own.write_text(GOOD)

    found = load_templates([own])
    assert found.named("rate_limit").title == "Too many calls to {component}"
    assert found.suited(ComponentKind.MODEL, FailureMode.ERRORS).confirm == (
        "Ask the gateway team.",
    )
    assert found.by_condition.keys() == packaged_templates().by_condition.keys()


def test_an_unknown_condition_is_answered_with_the_known_ones():
    with pytest.raises(UnknownConditionError, match="agent_loop, agent_outage"):
        packaged_templates().named("earthquake")


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("condition: rate_limit", "condition: Rate Limit", 1, "lower-case words"),
        ("title: Too", "titel: Too", 2, "unknown key 'titel'"),
        ("{component}", "{component!r}", 2, "unknown placeholder {component!r}"),
        ("{component}", "{component:>9999999}", 2, "unknown placeholder"),
        ("{component}", "{component.__class__}", 2, "unknown placeholder"),
        ("{component}", "{caller}", 2, "unknown placeholder {caller}"),
        ("{component}", "{component", 2, "unpaired brace"),
        ("[model]", "[robot]", 3, "kinds must be one of agent"),
        ("[errors]", "[slow]", 4, "modes must be one of outage"),
        ("[Ask the gateway team.]", "[]", 5, "at least one sentence"),
        ("measure: hold", "measure: pray", 7, "measure must be one of"),
        ("    rollback: Flip it back.\n", "", 7, "rollback is missing"),
        ("signal: errors", "signal: vibes", 12, "signal must be one of"),
        ("signal: errors\n", "", 1, "signal is missing"),
        ("restore: [Wait.]", "restore: [12]", 11, "must be text"),
        ("signal: errors", "signal: errors\n---\na: b", 14, "second template"),
        ("condition", "condition: [", None, "is not YAML"),
    ],
)
def test_what_is_wrong_in_a_template_is_said_with_its_line(old, new, line, says):
    with pytest.raises(PlaybookTemplateError) as raised:
        read_template(GOOD.replace(old, new, 1), origin="mine.yaml")

    assert says in str(raised.value)
    if line is not None:
        assert f"mine.yaml:{line}:" in str(raised.value)


def test_a_file_that_is_missing_or_empty_is_the_same_error(tmp_path: Path):
    with pytest.raises(PlaybookTemplateError, match="Check AGENTGUARD_PLAYBOOKS"):
        load_templates([tmp_path / "none.yaml"])
    with pytest.raises(PlaybookTemplateError, match="is empty"):
        read_template("# nothing\n", origin="mine.yaml")


@given(text=st.text(max_size=200))
def test_any_other_text_is_that_error_too(text):
    with pytest.raises(PlaybookTemplateError):
        read_template(text, origin="mine.yaml")
