"""Cut sets with shared fate, and redundancy that is none."""

from __future__ import annotations

from dataclasses import replace

from agentguard.analysis import combinations as module
from agentguard.analysis.combinations import combinations
from agentguard.discovery.kinds import ComponentKind
from agentguard.graph.model import Hosting
from agentguard.simulation.outages import Model
from agentguard.simulation.structural import structure
from tests.simulation.worlds import (
    BASIS,
    call,
    component,
    fallback,
    needs,
    record,
    workflow,
    world,
)


def model(name: str, *providers: str):
    return component(name, ComponentKind.MODEL, providers=providers)


def shop(*models):
    first, second = (m.id for m in models)
    return world(
        needs("A", first),
        needs("A", second, calls=2, source_runs=2),
        fallbacks=[fallback("A", first, second, 2, 2)],
        workflows=[workflow("shop", "A")],
        components=models,
    )


APART = shop(model("gpt", "openai"), model("claude", "anthropic"))
TOGETHER = shop(model("gpt-4o", "openai"), model("gpt-4o-mini", "openai"))


def found(graph, runs=None):
    model_ = None if runs is None else Model.of(graph, runs, seed=0)
    return combinations(graph, structure(graph, runs), model_)


def cuts(graph, runs=None):
    return [c.members for w in found(graph, runs).cut_sets for c in w.sets]


def test_a_primary_and_its_fallback_harm_together_only():
    assert cuts(APART) == [("claude", "gpt")]
    assert found(APART).false_redundancies == ()


def test_a_fallback_at_the_primarys_provider_is_no_redundancy():
    (false,) = found(TOGETHER).false_redundancies

    assert false.members == ("gpt-4o", "gpt-4o-mini")
    assert (false.owner, false.shared, false.family) == ("A", ("provider:openai",), "gpt")


def test_models_of_one_family_at_two_providers_are_told_apart_by_name_only():
    (false,) = found(shop(model("gpt-4o", "openai"), model("gpt-4.1", "azure"))).false_redundancies

    assert (false.shared, false.family) == ((), "gpt")


def test_a_fallback_that_needs_the_primarys_datastore_is_no_redundancy():
    graph = world(
        needs("A", "B"),
        needs("A", "C", calls=2, source_runs=2),
        needs("B", "db"),
        needs("C", "db"),
        fallbacks=[fallback("A", "B", "C", 2, 2)],
        workflows=[workflow("shop", "A")],
        components=[component("db", ComponentKind.DATASTORE)],
    )
    (false,) = found(graph).false_redundancies

    assert false.shared == ("db",)
    assert cuts(graph) == [("B", "C")]


def test_the_process_that_hosts_the_owner_too_is_no_matter_of_redundancy():
    hosting = tuple(
        Hosting(c, "shop", ComponentKind.SERVICE, "shop", BASIS, (), runs=1)
        for c in ("A", "claude", "gpt")
    )

    assert found(replace(APART, runs_in=hosting)).false_redundancies == ()


def test_a_model_with_two_providers_needs_both_to_fail():
    graph = shop(model("gpt", "openai", "azure"), model("claude", "anthropic"))

    assert ("claude", "provider:azure", "provider:openai") in cuts(graph)


def test_the_loss_of_a_cut_set_is_simulated():
    rescued = call("A", call("gpt", failed=True), call("claude", rescues=True))
    runs = record([("shop", call("A", call("gpt")))] * 8 + [("shop", rescued)] * 2)
    (workflow_,) = found(APART, runs).cut_sets

    assert workflow_.sets[0].members == ("claude", "gpt")
    assert 0 < workflow_.sets[0].runs_lost <= 10
    assert not workflow_.bounded


def test_a_shared_fate_costs_what_its_members_cost_together():
    runs = record([("shop", call("A", call("gpt-4o")))] * 10)
    fates = {f.label: f for f in found(TOGETHER, runs).shared_fates}

    assert fates["provider:openai"].members == ("gpt-4o", "gpt-4o-mini")
    assert 0 < fates["provider:openai"].runs_lost["shop"] <= 10
    assert fates["family:gpt"].runs_lost is None


def test_a_large_graph_is_not_searched_and_says_so(monkeypatch):
    monkeypatch.setattr(module, "MOST_COMPONENTS", 2)
    large = found(TOGETHER)

    assert large.bounded
    assert large.cut_sets == ()
    assert [f.label for f in large.shared_fates] == ["family:gpt", "provider:openai"]
