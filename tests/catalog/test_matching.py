"""Who was declared, who is a shadow agent, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.catalog.documents import matches_document
from agentguard.catalog.matching import Standing, match
from agentguard.catalog.reading import read_catalog
from agentguard.catalog.writing import catalog_text
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Graph, Workflow
from tests.simulation.worlds import component, workflow


def agent(id_: str, name: str, **more) -> Component:
    return replace(component(id_, **more), name=name)


def graph(*components: Component, workflows: tuple[Workflow, ...] = ()) -> Graph:
    return Graph(components=components, workflows=workflows)


def standings(seen: Graph, text: str) -> dict[str, Standing]:
    return {m.component: m.standing for m in match(seen, read_catalog(text, origin="c.yaml")).components}


SEEN = graph(
    agent("agent:prod/Checkout", "Checkout"),
    agent("agent:prod/CheckoutHelper", "CheckoutHelper"),
    component("model:gpt", ComponentKind.MODEL),
)


def test_without_a_catalogue_nobody_is_called_shadow():
    matches = match(SEEN, None)

    assert {m.standing for m in matches.components} == {Standing.UNKNOWN}
    assert matches.shadow == ()
    assert matches.note is not None
    assert "catalog init" in matches.note


def test_an_agent_that_nobody_declared_is_shadow_and_the_reason_says_so():
    matches = match(SEEN, read_catalog("[{name: Checkout}]", origin="c.yaml"))

    (shadow,) = matches.shadow
    assert shadow.component == "agent:prod/CheckoutHelper"
    assert "no agent in c.yaml has the id" in shadow.reason
    assert shadow.evidence == SEEN.components[1].evidence
    assert matches.components[0].reason == "The name 'Checkout' is declared in c.yaml, line 1."


@pytest.mark.parametrize("name", ["Check", "CheckoutHelp", "Helper", "Checkout ", "Checkout.*"])
def test_part_of_a_name_never_matches(name):
    assert set(standings(SEEN, f"[{{name: {name!r}}}]").values()) <= {Standing.SHADOW, Standing.UNDECLARED}


def test_a_name_matches_whatever_its_case():
    assert standings(SEEN, "[{name: checkOUT}]")["agent:prod/Checkout"] is Standing.DECLARED


def test_a_spelling_seen_for_the_same_component_matches():
    seen = graph(replace(agent("agent:a", "gpt-writer"), spellings=("GPT-Writer-2024",)))

    assert standings(seen, "[{name: gpt-writer-2024}]") == {"agent:a": Standing.DECLARED}


def test_an_id_that_was_seen_speaks_of_that_component_alone():
    twins = graph(agent("agent:dev/Checkout", "Checkout"), agent("agent:prod/Checkout", "Checkout"))
    expected = {"agent:dev/Checkout": Standing.SHADOW, "agent:prod/Checkout": Standing.DECLARED}

    assert standings(twins, "[{id: 'agent:prod/Checkout', name: Checkout}]") == expected
    assert set(standings(twins, "[{name: Checkout}]").values()) == {Standing.DECLARED}


def test_an_id_that_was_not_seen_leaves_the_name_to_match():
    assert standings(SEEN, "[{id: checkout-7, name: Checkout}]")["agent:prod/Checkout"] is Standing.DECLARED
    assert standings(SEEN, "[{id: checkout}]")["agent:prod/Checkout"] is Standing.DECLARED


def test_an_unnamed_agent_is_unidentified_and_never_shadow():
    seen = graph(replace(agent("agent:?", "unnamed"), identified=False))

    assert standings(seen, "[{name: Other}]") == {"agent:?": Standing.UNIDENTIFIED}


def test_other_kinds_are_undeclared_and_never_shadow():
    assert standings(SEEN, "[]")["model:gpt"] is Standing.UNDECLARED
    assert standings(SEEN, "components: [{id: 'model:gpt'}]")["model:gpt"] is Standing.DECLARED


def test_a_workflows_entry_does_not_declare_an_agent_of_its_name():
    seen = graph(agent("agent:x", "checkout"), workflows=(workflow("checkout", "agent:x"),))
    matches = match(seen, read_catalog("workflows: [{name: checkout, value_per_run: 3}]", origin="c"))

    assert [m.component for m in matches.shadow] == ["agent:x"]
    assert [(w, e.value_per_run) for w, e in matches.workflows] == [("checkout", 3.0)]


def test_what_was_declared_and_not_seen_is_listed():
    document = matches_document(match(SEEN, read_catalog("[{name: Checkout}, {name: Gone, owner: me}]", origin="c")))

    assert [e["name"] for e in document["not_seen"]] == ["Gone"]
    assert document["shadow_agents"] == ["agent:prod/CheckoutHelper"]
    assert document["catalog"] == {"origin": "c", "entries": 2, "currency": None}


names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)


@settings(max_examples=50)
@given(agents=st.dictionaries(names, names, max_size=5), workflows=st.lists(names, max_size=3, unique=True))
def test_a_catalogue_written_from_what_was_seen_declares_all_of_it(agents, workflows):
    seen = graph(
        *(agent(id_, name) for id_, name in sorted(agents.items())),
        replace(agent("\0unnamed", "?"), identified=False),
        workflows=tuple(workflow(w, "e") for w in workflows),
    )

    catalog = read_catalog(catalog_text(seen), origin="c")
    matches = match(seen, catalog)
    assert len(catalog.entries) == len(agents) + len(workflows)
    assert {m.standing for m in matches.components[:-1]} <= {Standing.DECLARED}
    assert matches.components[-1].standing is Standing.UNIDENTIFIED
    assert {w for w, _ in matches.workflows} == set(workflows)
    assert matches.unmatched == ()


def test_owners_and_values_are_left_open():
    catalog = read_catalog(catalog_text(graph(agent("a", "A"), workflows=(workflow("w", "a"),))), origin="c")

    assert {(e.owner, e.value_per_run) for e in catalog.entries} == {(None, None)}
