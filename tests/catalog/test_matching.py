"""Who was declared, who is a shadow agent, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.catalog.aliases import matches_alias
from agentguard.catalog.comparing import compare
from agentguard.catalog.matching import Standing, match
from agentguard.catalog.model import merge
from agentguard.catalog.reading import read_catalog
from agentguard.catalog.writing import catalog_text, entries_text
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Component, Graph, Workflow
from agentguard.graph.storage.history import History
from tests.simulation.worlds import component, needs, workflow


def agent(id_: str, name: str, **more) -> Component:
    return replace(component(id_, **more), name=name)


def graph(*components: Component, workflows: tuple[Workflow, ...] = ()) -> Graph:
    return Graph(components=components, workflows=workflows)


def standings(seen: Graph, text: str) -> dict[str, Standing]:
    return {
        m.component: m.standing for m in match(seen, read_catalog(text, origin="c.yaml")).components
    }


SEEN = graph(
    agent("agent:prod/Checkout", "Checkout"),
    agent("agent:prod/CheckoutHelper", "CheckoutHelper"),
    component("model:gpt", ComponentKind.MODEL),
)


def test_without_a_catalog_nobody_is_called_shadow():
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
    assert set(standings(SEEN, f"[{{name: {name!r}}}]").values()) <= {
        Standing.SHADOW,
        Standing.UNDECLARED,
    }


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
    assert (
        standings(SEEN, "[{id: checkout-7, name: Checkout}]")["agent:prod/Checkout"]
        is Standing.DECLARED
    )
    assert standings(SEEN, "[{id: checkout}]")["agent:prod/Checkout"] is Standing.DECLARED


def test_an_unnamed_agent_is_unidentified_and_never_shadow():
    seen = graph(replace(agent("agent:?", "unnamed"), identified=False))

    assert standings(seen, "[{name: Other}]") == {"agent:?": Standing.UNIDENTIFIED}


def test_other_kinds_are_undeclared_and_never_shadow():
    assert standings(SEEN, "[]")["model:gpt"] is Standing.UNDECLARED
    assert standings(SEEN, "components: [{id: 'model:gpt'}]")["model:gpt"] is Standing.DECLARED


def test_a_workflows_entry_does_not_declare_an_agent_of_its_name():
    seen = graph(agent("agent:x", "checkout"), workflows=(workflow("checkout", "agent:x"),))
    matches = match(
        seen, read_catalog("workflows: [{name: checkout, value_per_run: 3}]", origin="c")
    )

    assert [m.component for m in matches.shadow] == ["agent:x"]
    assert [(w, e.value_per_run) for w, e in matches.workflows] == [("checkout", 3.0)]


@pytest.mark.parametrize(
    ("alias", "name", "matches_alias"),
    [
        ("checkout-*", "checkout-7f", True),
        ("CHECKOUT-*", "Checkout-7F", True),
        ("checkout-*", "my-checkout-7f", False),
        ("*-checkout", "prod-checkout", True),
        ("*-checkout", "prod-checkout-2", False),
        ("check?ut", "checkout", True),
        ("check?ut", "checkoout", False),
        ("kasse", "Kasse", True),
        ("kasse", "kassel", False),
        ("check[aeo]ut-*", "checkout-1", False),
        ("check[aeo]ut-*", "check[aeo]ut-1", True),
        ("ab.d*", "abcd-1", False),
    ],
)
def test_an_alias_fits_whole_names_alone(alias, name, matches_alias):
    expected = Standing.DECLARED if matches_alias else Standing.SHADOW

    assert standings(graph(agent("agent:x", name)), f"[{{name: Other, aliases: [{alias!r}]}}]") == {
        "agent:x": expected
    }


def test_an_alias_fits_a_spelling_and_the_reason_names_it():
    seen = graph(replace(agent("agent:a", "Kasse"), spellings=("checkout-2024",)))

    (found,) = match(
        seen, read_catalog("- name: Checkout\n  aliases: [checkout-*]", origin="c.yaml")
    ).components

    assert (
        found.reason
        == "The name 'checkout-2024' matches the alias 'checkout-*' of 'Checkout' in c.yaml, "
        "line 1."
    )


def test_an_id_goes_before_a_name_a_name_before_an_alias_and_a_written_alias_before_a_pattern():
    text = """
    - {name: ByPattern, aliases: [check*]}
    - {name: ByAlias, aliases: [checkout]}
    - {name: Checkout}
    - {id: 'agent:prod/Checkout'}
    """
    lines = text.strip().splitlines()

    winners = [
        match(SEEN, read_catalog("\n".join(map(str.strip, lines[:n])), origin="c"))
        .components[0]
        .entry.label
        for n in (1, 2, 3, 4)
    ]

    assert winners == ["ByPattern", "ByAlias", "Checkout", "agent:prod/Checkout"]


def test_two_aliases_that_fit_are_ambiguous_and_neither_is_chosen():
    catalog = read_catalog(
        "[{name: A, aliases: [check*]}, {name: B, aliases: ['*out']}]", origin="c.yaml"
    )

    matches = match(SEEN, catalog)

    assert matches.components[0].standing is Standing.AMBIGUOUS
    assert matches.components[0].entry is None
    assert "'check*' of 'A'" in matches.components[0].reason
    assert "'*out' of 'B'" in matches.components[0].reason
    assert matches.unmatched == ()


def test_an_entry_for_an_environment_speaks_of_that_alone_and_goes_first_there():
    twins = graph(
        replace(agent("dev/agent:a", "A"), environment="dev"),
        replace(agent("prod/agent:a", "A"), environment="prod"),
    )
    general, special = "{name: A, owner: all}", "{name: A, owner: ops, environment: prod}"

    both = match(twins, read_catalog(f"[{general}, {special}]", origin="c"))

    assert [m.entry.owner for m in both.components] == ["all", "ops"]
    assert standings(twins, f"[{special}]") == {
        "dev/agent:a": Standing.SHADOW,
        "prod/agent:a": Standing.DECLARED,
    }


def test_an_unnamed_agent_is_unidentified_whatever_the_aliases():
    seen = graph(replace(agent("agent:?", "agent in shop"), identified=False))

    assert standings(seen, "[{name: Other, aliases: ['agent*']}]") == {
        "agent:?": Standing.UNIDENTIFIED
    }


def test_an_entry_of_any_kind_declares_agents_and_other_components():
    text = "any: [{name: Checkout}, {name: 'model:gpt'}]"

    assert set(standings(SEEN, text).values()) == {Standing.DECLARED, Standing.SHADOW}
    assert standings(SEEN, text)["model:gpt"] is Standing.DECLARED


letters = st.text("ab-", min_size=1, max_size=6)


@given(name=letters, alias=st.text("ab-*?", min_size=1, max_size=8))
def test_an_alias_matches_as_its_plain_definition_says(name, alias):
    assert matches_alias(alias, name) == naive_fit(alias, name)


def naive_fit(alias: str, name: str) -> bool:
    if not alias:
        return not name
    if alias[0] == "*":
        return any(naive_fit(alias[1:], name[i:]) for i in range(len(name) + 1))
    return bool(name) and alias[0] in ("?", name[0]) and naive_fit(alias[1:], name[1:])


def test_no_alias_takes_exponential_time():
    assert not matches_alias("a*" * 40 + "b", "a" * 5_000)


@given(
    order=st.permutations(
        ["[{name: A, aliases: [check*]}]", "[{name: B, aliases: ['*out']}]", "[{name: Checkout}]"]
    )
)
def test_findings_are_the_same_each_time(order):
    first, second = (
        match(
            SEEN, merge([read_catalog(text, origin=f"{n}") for n, text in enumerate(order)])
        ).components
        for _ in range(2)
    )

    assert first == second
    assert first[0].entry.name == "Checkout"


names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12).filter(
    str.strip
)
kinds = st.sampled_from([k for k in ComponentKind if k is not ComponentKind.WORKFLOW])


@st.composite
def graphs(draw) -> Graph:
    """Any identified components, with any dependencies between them, and an agent that nothing
    names.
    """
    ids = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    parts = [
        replace(component(i, draw(kinds)), name=draw(names), environment=draw(st.none() | names))
        for i in sorted(ids)
    ]
    edges = draw(st.sets(st.tuples(st.sampled_from(ids), st.sampled_from(ids)), max_size=8))
    flows = draw(st.lists(names, max_size=3, unique=True))
    return Graph(
        components=(*parts, replace(agent("\0unnamed", "?"), identified=False)),
        dependencies=tuple(needs(a, b) for a, b in sorted(edges) if a != b),
        workflows=tuple(workflow(w, ids[0]) for w in flows),
    )


@settings(max_examples=150, deadline=None)
@given(seen=graphs())
def test_a_catalog_written_from_what_was_seen_declares_all_of_it_and_nothing_drifts(seen):
    catalog = read_catalog(catalog_text(seen), origin="c")
    found = compare(seen, catalog, History(), now=0, ghost_days=7)

    matches = found.matches
    assert {m.standing for m in matches.components[:-1]} == {Standing.DECLARED}
    assert matches.components[-1].standing is Standing.UNIDENTIFIED
    assert {w for w, _ in matches.workflows} == {w.id for w in seen.workflows}
    assert matches.unmatched == ()
    assert found.drifts == ()


def test_owners_and_values_are_left_open():
    catalog = read_catalog(
        catalog_text(graph(agent("a", "A"), workflows=(workflow("w", "a"),))), origin="c"
    )

    assert {(e.owner, e.value_per_run) for e in catalog.entries} == {(None, None)}


def test_an_entry_alone_is_that_of_the_whole_draft():
    seen = graph(agent("a", "A"), agent("b", 'B "quoted"'), workflows=(workflow("w", "a"),))
    whole, alone = (
        read_catalog(text, origin="c") for text in (catalog_text(seen), entries_text(seen, ["b"]))
    )

    [entry] = alone.entries
    [same] = [each for each in whole.entries if each.id == "b"]
    assert (entry.id, entry.name, entry.models) == (same.id, same.name, same.models)
    assert entries_text(seen, []) == "# Nothing to declare: no span gives a name.\n"
