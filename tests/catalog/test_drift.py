"""Drift: declared otherwise than seen, and declared twice and differently."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agentguard.catalog.drift import Aspect, Drift, drifts
from agentguard.catalog.matching import match
from agentguard.catalog.model import Catalog, Entry, EntryKind, Reference, merge
from agentguard.catalog.reading import read_catalog
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.model import Graph
from tests.simulation.worlds import component, needs, world


def named(id_: str, kind: ComponentKind, **more):
    return replace(component(id_, kind), **more)


PRICING = named("prod/agent:pricing", ComponentKind.AGENT, name="Pricing", environment="prod")
GRAPH = world(
    needs("Checkout", "prod/agent:pricing"),
    needs("Checkout", "prod/model:gpt-4o", DependencyType.CALLS_MODEL),
    needs("Checkout", "prod/tool:crm/search", DependencyType.USES_TOOL),
    components=[
        PRICING,
        named(
            "prod/model:gpt-4o",
            ComponentKind.MODEL,
            name="gpt-4o",
            spellings=("gpt-4o-2024-08-06",),
            environment="prod",
        ),
        named(
            "prod/tool:crm/search",
            ComponentKind.TOOL,
            name="search",
            server="crm",
            environment="prod",
        ),
    ],
)


def found(declared: str, graph: Graph = GRAPH) -> dict[Aspect, Drift]:
    catalog = read_catalog(f"agents:\n- {{name: Checkout, {declared}}}", origin="c.yaml")
    return {d.aspect: d for d in drifts(graph, match(graph, catalog))}


def test_what_is_not_declared_does_not_drift():
    assert found("owner: me") == {}


def test_what_is_declared_as_it_was_seen_does_not_drift():
    assert found("models: [gpt-4o], tools: [search], depends_on: [pricing]") == {}


def test_a_reference_may_be_an_id_a_spelling_a_kind_and_name_or_an_id_without_its_environment():
    for model in ("prod/model:gpt-4o", "model:gpt-4o", "GPT-4o-2024-08-06"):
        assert found(f"models: ['{model}']") == {}
    for tool in ("tool:search", "crm/search", "tool:crm/search", "prod/tool:crm/search"):
        assert found(f"tools: ['{tool}']") == {}


def test_part_of_a_name_is_no_reference():
    assert found("models: [gpt-4]").keys() == {Aspect.MODELS}
    assert found("models: ['tool:gpt-4o']").keys() == {Aspect.MODELS}


def test_what_was_seen_and_is_not_declared_is_extra_with_its_evidence():
    drift = found("models: [gpt-4o-mini]")[Aspect.MODELS]

    assert drift.missing == ("gpt-4o-mini",)
    assert [e.target.id for e in drift.extra] == ["prod/model:gpt-4o"]
    assert drift.extra[0].dependency.evidence[0].trace_id == "Checkout-prod/model:gpt-4o"
    assert drift.reason.startswith("Checkout (c.yaml, line 2) declares gpt-4o-mini")
    assert "uses gpt-4o, which its models do not list" in drift.reason


def test_an_empty_list_declares_that_there_is_none():
    assert [e.target.name for e in found("tools: []")[Aspect.TOOLS].extra] == ["search"]
    assert [e.target.name for e in found("depends_on: []")[Aspect.DEPENDENCIES].extra] == [
        "Pricing"
    ]


def test_models_and_tools_among_the_dependencies_count_with_their_own_kind():
    assert found("depends_on: ['model:gpt-4o']") == {}
    assert found("depends_on: ['model:gpt-4o', 'tool:none']").keys() == {Aspect.TOOLS}
    assert found("depends_on: [pricing, gpt-4o]") == {}


def test_a_dependency_may_be_called_as_its_own_entry_is():
    text = "[{name: Checkout, depends_on: [Prices]}, {name: Prices, aliases: [pri*ing]}]"

    assert drifts(GRAPH, match(GRAPH, read_catalog(text, origin="c"))) == ()


def test_what_an_entry_names_in_several_environments_is_missing_only_where_none_uses_it():
    twins = world(
        needs("dev/a", "m1", DependencyType.CALLS_MODEL),
        needs("prod/a", "m2", DependencyType.CALLS_MODEL),
        components=[
            *(
                named(f"{e}/a", ComponentKind.AGENT, name="A", environment=e)
                for e in ("dev", "prod")
            ),
            *(component(m, ComponentKind.MODEL) for m in ("m1", "m2")),
        ],
    )

    (drift,) = drifts(twins, match(twins, read_catalog("[{name: A, models: [m1]}]", origin="c")))

    assert drift.missing == ()
    assert drift.components == ("dev/a", "prod/a")
    assert [(e.dependency.source, e.target.id) for e in drift.extra] == [("prod/a", "m2")]


def owners(*texts: str) -> list[list[tuple[str, str]]]:
    catalog = merge([read_catalog(text, origin=f"{n}.yaml") for n, text in enumerate(texts)])
    return [
        [(o.name, o.place) for o in d.owners]
        for d in drifts(GRAPH, match(GRAPH, catalog))
        if d.aspect is Aspect.OWNER
    ]


def test_two_files_that_name_two_owners_are_owner_drift():
    expected = [[("shop", "0.yaml, line 1"), ("payments", "1.yaml, line 1")]]

    assert (
        owners("[{name: Checkout, owner: shop}]", "[{name: checkout, owner: payments}]") == expected
    )
    assert (
        owners("[{id: Checkout, owner: shop}]", "any: [{name: Checkout, owner: payments}]")
        == expected
    )


def test_one_owner_or_none_in_each_file_is_no_drift():
    assert owners("[{name: Checkout, owner: Shop}]", "[{name: Checkout, owner: shop}]") == []
    assert owners("[{name: Checkout}]", "[{name: Checkout, owner: shop}]") == []
    assert owners("[{name: Checkout, owner: shop}, {id: Checkout, owner: night shift}]") == []


models = st.sets(st.sampled_from(["m1", "m2", "m3", "m4"]))


@settings(max_examples=60)
@given(declared=models, seen=models)
def test_missing_and_extra_are_the_two_differences(declared, seen):
    graph = world(
        *(needs("A", m, DependencyType.CALLS_MODEL) for m in sorted(seen)),
        components=[component("A"), *(component(m, ComponentKind.MODEL) for m in seen)],
    )
    catalog = Catalog(
        (Entry(EntryKind.AGENT, name="A", models=tuple(map(Reference, sorted(declared)))),)
    )

    drift = next(iter(drifts(graph, match(graph, catalog))), None)

    assert set(drift.missing if drift else ()) == declared - seen
    assert {e.target.id for e in (drift.extra if drift else ())} == seen - declared
