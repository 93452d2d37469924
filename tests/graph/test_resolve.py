from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.errors import AmbiguousComponentError, UnknownComponentError
from agentguard.graph.model import Graph
from agentguard.graph.resolve import resolve
from tests.graph.handmade import CHECKOUT, MODEL, component, shop


@given(st.sampled_from(shop().components))
def test_every_id_resolves_to_its_component(wanted):
    assert resolve(shop(), wanted.id) is wanted


@pytest.mark.parametrize("text", ["Checkout", "checkout", "CHECKOUT", "agent:checkout"])
def test_a_unique_name_resolves_whatever_its_case(text):
    assert resolve(shop(), text).id == CHECKOUT.id


def test_an_ambiguous_name_gets_the_candidates():
    twin = component(ComponentKind.TOOL, "Checkout", id="tool:billing/Checkout")
    graph = replace(shop(), components=(*shop().components, twin))

    with pytest.raises(AmbiguousComponentError) as error:
        resolve(graph, "checkout")

    assert error.value.candidates == (CHECKOUT.id, twin.id)
    assert error.value.status == 409


def test_an_exact_id_wins_over_a_name_that_looks_like_it():
    imposter = component(ComponentKind.TOOL, CHECKOUT.id, id="tool:imposter")
    graph = replace(shop(), components=(*shop().components, imposter))

    assert resolve(graph, CHECKOUT.id).id == CHECKOUT.id


def test_an_ambiguous_name_is_unique_among_the_kinds_asked_for():
    twin = component(ComponentKind.TOOL, "Checkout")
    graph = replace(shop(), components=(*shop().components, twin))

    assert resolve(graph, "checkout", kinds=[ComponentKind.AGENT]).id == CHECKOUT.id


def test_an_unknown_name_gets_near_matches():
    with pytest.raises(UnknownComponentError) as error:
        resolve(shop(), "chekout")

    assert error.value.near[0] == CHECKOUT.id
    assert error.value.status == 404


def test_a_component_of_another_kind_is_unknown():
    with pytest.raises(UnknownComponentError):
        resolve(shop(), MODEL.id, kinds=[ComponentKind.AGENT])


@given(st.text(max_size=50))
def test_an_empty_graph_knows_nothing(text):
    with pytest.raises(UnknownComponentError):
        resolve(Graph(), text)


@pytest.mark.parametrize("text", ["check-out", "Check_Out", "CHECK OUT", "agent:check-out"])
def test_dashes_underscores_and_spaces_are_ignored_where_nothing_else_fits(text):
    assert resolve(shop(), text).id == CHECKOUT.id


def test_an_exact_name_wins_over_one_that_differs_in_dashes():
    twin = component(ComponentKind.AGENT, "check-out")
    graph = replace(shop(), components=(*shop().components, twin))

    assert resolve(graph, "check-out").id == twin.id
    assert resolve(graph, "Checkout").id == CHECKOUT.id


def test_two_names_that_differ_in_dashes_alone_are_ambiguous_for_a_third():
    twin = component(ComponentKind.AGENT, "check-out")
    graph = replace(shop(), components=(*shop().components, twin))

    with pytest.raises(AmbiguousComponentError):
        resolve(graph, "check_out")


def test_another_spelling_of_a_component_finds_it():
    model = replace(MODEL, spellings=("gpt-4o-mini-2024-07-18",))

    assert resolve(Graph(components=(model,)), "GPT 4o mini 2024 07 18") is model
