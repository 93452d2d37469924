from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.documents import View, graph_document
from agentguard.graph.filtering import (
    NO_FILTER,
    GraphFilter,
    NoCatalogError,
    filtered,
    with_neighbors,
)
from agentguard.graph.model import Graph
from agentguard.graph.sorting import SortKey
from tests.graph.handmade import CHECKOUT, FRAUD, INVOICE, MODEL, PAYMENT, PRICING, shop

CATALOG = View(
    shadows={FRAUD.id: "Nobody declared it."},
    declared={CHECKOUT.id: {"owner": "Shop Team"}, PRICING.id: {"owner": None}},
)

filters = st.builds(
    GraphFilter,
    kinds=st.lists(st.sampled_from(ComponentKind), max_size=3).map(tuple),
    errors=st.booleans(),
    shadow=st.booleans(),
    owner=st.sampled_from([None, "shop team", "nobody"]),
    sort=st.none() | st.sampled_from(SortKey),
    top=st.none() | st.integers(1, 7),
)


def ids(graph: Graph) -> list[str]:
    return [c.id for c in graph.components]


def shown(**wanted: Any) -> Graph:
    return filtered(shop(), CATALOG, GraphFilter(**wanted))


def test_without_a_filter_the_graph_is_the_same():
    assert filtered(shop(), View(), NO_FILTER) is not None
    assert filtered(shop(), View(), NO_FILTER) == shop()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"kinds": (ComponentKind.MODEL, ComponentKind.TOOL)}, [MODEL, PAYMENT, INVOICE]),
        ({"errors": True}, [CHECKOUT, FRAUD, PAYMENT]),
        ({"shadow": True}, [FRAUD]),
        ({"owner": "shop TEAM"}, [CHECKOUT]),
        ({"kinds": (ComponentKind.TOOL,), "errors": True}, [PAYMENT]),
    ],
)
def test_every_condition_must_hold(wanted, expected):
    assert ids(shown(**wanted)) == [c.id for c in expected]


def test_a_dependency_is_shown_where_one_of_its_ends_is():
    found = shown(kinds=(ComponentKind.MODEL,))

    assert [(d.source, d.target) for d in found.dependencies] == [(PRICING.id, MODEL.id)]
    assert found.workflows == ()


def test_errors_also_select_dependencies():
    assert {d.target for d in shown(errors=True).dependencies} == {PAYMENT.id, FRAUD.id}


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        (SortKey.NAME, PAYMENT),
        (SortKey.ERRORS, FRAUD),
        (SortKey.TOKENS, MODEL),
        (SortKey.P95, MODEL),
        (SortKey.LAST_SEEN, CHECKOUT),
    ],
)
def test_sorting_puts_the_first_name_or_the_largest_number_first(sort, first):
    assert ids(shown(sort=sort, top=1)) == [first.id]


def test_top_cuts_each_list():
    found = shown(top=2)

    assert (len(found.components), len(found.dependencies)) == (2, 2)


@pytest.mark.parametrize("wanted", [{"shadow": True}, {"owner": "x"}])
def test_what_only_a_catalog_knows_needs_one(wanted):
    with pytest.raises(NoCatalogError, match="AGENTGUARD_CATALOG"):
        filtered(shop(), View(), GraphFilter(**wanted))


@given(filters)
def test_a_part_holds_nothing_else_and_filtering_twice_changes_nothing(wanted):
    part = filtered(shop(), CATALOG, wanted)

    assert all(c in shop().components for c in part.components)
    assert all(d in shop().dependencies for d in part.dependencies)
    assert part.coverage == shop().coverage
    assert filtered(part, CATALOG, wanted).components == part.components


@given(filters)
def test_with_its_neighbors_every_end_of_a_dependency_is_there(wanted):
    whole = with_neighbors(shop(), filtered(shop(), CATALOG, wanted))

    known = set(ids(whole))
    assert all({d.source, d.target} <= known for d in whole.dependencies)
    assert len(known) == len(whole.components)


def test_a_document_of_a_part_names_both_ends_and_counts_the_whole_graph():
    part = shown(kinds=(ComponentKind.MODEL,))

    document = graph_document(shop(), CATALOG, analysis={}, part=part)

    assert [n["label"] for n in document["nodes"]] == ["gpt-4o-mini"]
    assert document["edges"][0]["source_name"] == "Pricing"
    assert document["total_components"] == len(shop().components)


def test_an_empty_part_is_a_part():
    assert filtered(replace(shop(), components=()), CATALOG, GraphFilter(top=1)).components == ()
