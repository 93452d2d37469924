"""Seen, not seen, ghost: never from silence alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.catalog.comparing import compare
from agentguard.catalog.documents import comparison_document
from agentguard.catalog.presence import Presence, PresenceState
from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Graph
from agentguard.graph.storage.history import ComponentHistory, History
from agentguard.kernel.clock import NS_PER_DAY
from tests.simulation.worlds import component, workflow, world

TODAY = 20_000
NOW = TODAY * NS_PER_DAY + NS_PER_DAY // 2
NOTHING = Graph()


def sighting(name: str, day: int, kind: ComponentKind = ComponentKind.AGENT) -> ComponentHistory:
    return ComponentHistory(
        f"{kind}:{name}", kind, name, None, (), (day - 1) * NS_PER_DAY, day * NS_PER_DAY + 1
    )


def here(name: str, day: int = TODAY) -> Graph:
    time = day * NS_PER_DAY + 1 if day else 0
    return world(components=[replace(component(name), first_seen=time, last_seen=time)])


def presence(
    *sightings: ComponentHistory,
    days: range | tuple = (),
    graph: Graph = NOTHING,
    text: str = "[{name: A}]",
    ghost_days=7,
) -> Presence:
    history = History(sightings, tuple(days))
    return compare(
        graph, read_catalog(text, origin="c"), history, now=NOW, ghost_days=ghost_days
    ).presences[0]


def test_what_is_in_the_graph_is_seen():
    found = presence(graph=here("A"), days=(TODAY,))

    assert (found.state, found.components, found.last_seen) == (
        PresenceState.SEEN,
        ("A",),
        TODAY * NS_PER_DAY + 1,
    )


def test_what_was_last_seen_more_days_ago_than_it_takes_is_a_ghost():
    found = presence(sighting("A", TODAY - 8), days=range(TODAY - 8, TODAY + 1))

    assert found.state is PresenceState.GHOST
    assert "since then 8 days had observations" in found.reason
    assert found.last_seen == (TODAY - 8) * NS_PER_DAY + 1


def test_what_was_never_seen_is_a_ghost_once_enough_days_were_observed():
    assert presence(days=range(TODAY - 6, TODAY + 1)).state is PresenceState.GHOST
    assert presence(days=range(TODAY - 6, TODAY + 1), ghost_days=8).state is PresenceState.NOT_SEEN


def test_too_few_days_observed_make_no_ghost_and_that_is_said():
    for found in (
        presence(days=(TODAY - 1, TODAY)),
        presence(sighting("A", TODAY - 30), days=(TODAY - 30, TODAY - 1, TODAY)),
    ):
        assert found.state is PresenceState.NOT_SEEN
        assert "only 2 days with observations; a ghost needs 7" in found.reason


def test_where_nothing_was_observed_lately_nobody_is_a_ghost():
    found = presence(days=range(TODAY - 100, TODAY - 50))

    assert found.state is PresenceState.NOT_SEEN
    assert "no observations from the last 7 days" in found.reason


def test_without_any_history_it_is_only_not_seen():
    assert presence().state is PresenceState.NOT_SEEN


def test_what_was_seen_lately_in_another_graph_is_no_ghost():
    found = presence(sighting("A", TODAY - 2), days=range(TODAY - 30, TODAY + 1))

    assert found.state is PresenceState.NOT_SEEN
    assert found.reason.startswith("Not in this graph. Last seen ")


def test_an_old_graph_does_not_hide_that_its_agents_are_gone():
    found = presence(graph=here("A", TODAY - 30), days=range(TODAY - 30, TODAY + 1))

    assert (found.state, found.components) == (PresenceState.GHOST, ("A",))


def test_an_unknown_time_makes_no_ghost():
    assert (
        presence(graph=here("A", 0), days=range(TODAY - 30, TODAY + 1)).state is PresenceState.SEEN
    )


def test_days_after_now_do_not_count():
    assert presence(days=range(TODAY + 1, TODAY + 30)).state is PresenceState.NOT_SEEN


@pytest.mark.parametrize(
    "text",
    ["[{name: a}]", "[{id: 'agent:A'}]", "[{name: B, aliases: [aaa, 'a']}]", "any: [{name: A}]"],
)
def test_the_history_is_matched_as_graphs_are(text):
    assert (
        presence(sighting("A", TODAY), text=text, days=(TODAY,)).last_seen == TODAY * NS_PER_DAY + 1
    )


def test_a_workflow_is_looked_for_among_workflows():
    seen = sighting("A", TODAY - 9, ComponentKind.WORKFLOW)
    days = range(TODAY - 20, TODAY + 1)

    assert presence(seen, text="workflows: [{name: A}]", days=days).last_seen
    assert not presence(seen, text="agents: [{name: A}]", days=days).last_seen
    assert presence(
        graph=Graph(workflows=(workflow("A", "x"),)), text="workflows: [{name: A}]"
    ).components == ("A",)


@given(
    last=st.none() | st.integers(TODAY - 40, TODAY),
    days=st.sets(st.integers(TODAY - 40, TODAY + 5)),
    ghost_days=st.integers(1, 30),
)
def test_a_ghost_was_unseen_for_that_many_days_of_which_as_many_were_observed(
    last, days, ghost_days
):
    found = presence(
        *([] if last is None else [sighting("A", last)]),
        days=tuple(sorted(days)),
        ghost_days=ghost_days,
    )

    since = [d for d in days if d <= TODAY and (last is None or d > last)]
    long_ago = last is None or TODAY - last >= ghost_days
    recent = bool(since) and max(since) >= TODAY - ghost_days
    assert (found.state is PresenceState.GHOST) == (
        long_ago and recent and len(since) >= ghost_days
    )


def test_the_document_lists_ghosts_and_the_not_seen_with_owner_place_and_reason():
    text = "[{name: A, owner: me}, {name: B}, {name: C}]"
    history = History((sighting("B", TODAY),), tuple(range(TODAY - 9, TODAY + 1)))
    document = comparison_document(
        compare(here("C"), read_catalog(text, origin="c.yaml"), history, now=NOW, ghost_days=7)
    )

    assert [(e["name"], e["state"]) for e in document["entries"]] == [
        ("A", "ghost"),
        ("B", "not_seen"),
        ("C", "seen"),
    ]
    assert [e["name"] for e in document["not_seen"]] == ["A", "B"]
    assert [(e["name"], e["owner"], e["origin"], e["line"]) for e in document["ghosts"]] == [
        ("A", "me", "c.yaml", 1)
    ]
    assert document["catalog"] == {"origin": "c.yaml", "entries": 3, "currency": None, "notes": []}
    assert (document["days_observed"], document["ghost_days"]) == (10, 7)


def test_without_a_catalog_the_document_says_so_and_finds_nothing():
    document = comparison_document(compare(here("A"), None, History(), now=NOW, ghost_days=7))

    assert document["catalog"] is None
    assert "AGENTGUARD_CATALOG" in document["note"]
    assert (
        document["shadow_agents"]
        == document["ghosts"]
        == document["drift"]
        == document["entries"]
        == []
    )
