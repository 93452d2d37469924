"""Which conditions of a graph begin, and when they have ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Component, Graph
from agentguard.incidents import changes
from agentguard.incidents.conditions import ErrorShareRule, ShadowAgentRule
from agentguard.incidents.model import Change, Incident
from agentguard.incidents.wording import sentence_of
from agentguard.kernel.clock import NS_PER_SECOND
from tests.graph.handmade import component, depends
from tests.incidents.examples import START, condition, event_of, incident

CALLER = component(ComponentKind.AGENT, "Caller")
OTHER = component(ComponentKind.AGENT, "Other")
MODEL = component(ComponentKind.MODEL, "gpt-4o-mini")
RULE = ErrorShareRule(share=0.2, calls=20)
KEY = f"error-share:{MODEL.id}"
NOW = START + 60 * NS_PER_SECOND


def graph(*calls: tuple[Component, int, int]) -> Graph:
    """Return a graph of callers of the model, each with its calls and failed calls."""
    edges = [
        depends(source, MODEL, DependencyType.CALLS_MODEL, calls=number, errors=errors)
        for source, number, errors in calls
    ]
    return Graph((CALLER, OTHER, MODEL), tuple(edges))


@pytest.mark.parametrize(
    ("calls", "errors", "begins"),
    [(20, 4, True), (20, 3, False), (19, 19, False), (500, 100, True)],
)
def test_a_condition_begins_at_the_share_and_with_enough_calls(calls, errors, begins):
    assert bool([*RULE.begun(graph((CALLER, calls, errors)))]) is begins


def test_one_condition_names_the_component_and_only_its_failing_callers():
    (found,) = RULE.begun(graph((CALLER, 100, 31), (OTHER, 1000, 0)))

    assert found.key == KEY
    assert [each.id for each in found.components] == [MODEL.id, CALLER.id]
    assert found.title == "31 % of the calls of gpt-4o-mini by Caller fail"
    assert found.facts == {"calls": 100, "errors": 31}


def test_calls_of_one_caller_count_together_whatever_their_type():
    once = depends(CALLER, MODEL, DependencyType.CALLS_MODEL, calls=15, errors=5)
    both = Graph((CALLER, MODEL), (once, replace(once, via="gateway")))

    (found,) = RULE.begun(both)

    assert found.facts == {"calls": 30, "errors": 10}


@pytest.mark.parametrize(
    ("calls", "ended"),
    [
        ([(CALLER, 100, 19)], False),
        ([(CALLER, 100, 13)], False),
        ([(CALLER, 100, 5)], True),
        ([(CALLER, 100, 5), (OTHER, 100, 19)], False),
        ([(CALLER, 100, 5), (OTHER, 1, 0)], True),
        ([], True),
    ],
)
def test_a_condition_ends_once_all_callers_are_certainly_below(calls, ended):
    assert (RULE.ended(graph(*calls), KEY) is not None) is ended


def test_no_graph_both_begins_and_ends_a_condition():
    for calls in range(20, 200, 7):
        for errors in range(calls + 1):
            found = graph((CALLER, calls, errors))
            assert not (any(RULE.begun(found)) and RULE.ended(found, KEY) is not None)


def test_a_shadow_agent_ends_when_it_is_declared_or_gone():
    rule = ShadowAgentRule({CALLER.id: "No entry matches."})
    (found,) = rule.begun(graph())

    assert (found.kind, found.components[0].id) == ("shadow_agent", CALLER.id)
    assert rule.ended(graph(), found.key) is None
    assert ShadowAgentRule({}).ended(graph(), found.key) == {"declared": True}
    assert ShadowAgentRule({}).ended(Graph(), found.key) == {"declared": False}


def cleared(found: Incident, key: str) -> Change:
    change = changes.clear(found, key, {}, now=NOW)
    assert change is not None
    return change


def test_a_condition_that_ended_is_noted_once_and_again_when_it_returns():
    known = condition()
    ended = cleared(incident(), known.key).incident

    again = changes.detect_again(ended, known, now=NOW)

    assert again is not None
    assert changes.clear(ended, known.key, {}, now=NOW) is None
    assert sentence_of(event_of(again)) == f"Condition {known.key} holds again"
    assert changes.detect_again(again.incident, known, now=NOW) is None
    assert cleared(again.incident, known.key).incident.cleared == (known.key,)
