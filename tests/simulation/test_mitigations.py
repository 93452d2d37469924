"""What would save runs, simulated."""

from __future__ import annotations

import pytest

from agentguard.discovery.kinds import ComponentKind
from agentguard.simulation.mitigations import MitigationKind, mitigations
from agentguard.simulation.outages import Model, Outage
from agentguard.simulation.retries import retry_mitigations
from agentguard.simulation.spares import spared
from tests.simulation.worlds import call, component, fallback, needs, record, workflow, world

MODELS = [
    component("gpt", ComponentKind.MODEL, providers=("openai",), invocations=20, errors=2),
    component("gpt-mini", ComponentKind.MODEL, providers=("openai",), invocations=20),
]
SHOP = world(
    needs("A", "B"), needs("B", "gpt"), workflows=[workflow("shop", "A")], components=MODELS
)
RUNS = record(
    [("shop", call("A", call("B", call("gpt"))))] * 16
    + [("shop", call("A", call("B", call("gpt", failed=True), failed=True), failed=True))] * 4
)


def of_kind(found, kind: MitigationKind):
    return next((m for m in found if m.kind is kind), None)


def test_a_spare_saves_most_of_what_an_outage_loses():
    spare = of_kind(mitigations(SHOP, RUNS, ["gpt"]), MitigationKind.SPARE)

    assert spare is not None
    assert spare.owners == ("B",)
    assert 0 < spare.runs <= spare.at_most <= 16
    assert spare.runs > 0.7 * spare.at_most


def test_a_spare_that_failed_more_often_saves_less():
    def saved(errors: int) -> float:
        graph = world(
            *SHOP.dependencies,
            workflows=SHOP.workflows,
            components=[
                component("gpt", ComponentKind.MODEL, invocations=100, errors=errors),
                MODELS[1],
            ],
        )
        spare = of_kind(mitigations(graph, RUNS, ["gpt"]), MitigationKind.SPARE)
        return spare.runs

    assert saved(0) > saved(50) > saved(99)


def test_in_an_outage_retries_and_circuit_breakers_save_nothing_by_themselves():
    found = mitigations(SHOP, RUNS, ["gpt"])

    for kind in (MitigationKind.RETRY, MitigationKind.CIRCUIT_BREAKER):
        assert of_kind(found, kind).runs == 0


def test_what_the_recordings_cannot_say_is_unknown():
    found = mitigations(SHOP, RUNS, ["gpt"])

    for kind in (MitigationKind.TIMEOUT, MitigationKind.CACHE):
        unknown = of_kind(found, kind)
        assert unknown.runs is None
        assert unknown.at_most > 0
        assert unknown.basis
    assert of_kind(found, MitigationKind.REPLICAS) is None
    assert of_kind(mitigations(SHOP, RUNS, ["B"]), MitigationKind.REPLICAS).runs is None


def test_what_saves_most_comes_first_and_the_unknown_last():
    runs = [m.runs for m in mitigations(SHOP, RUNS, ["gpt"])]
    known = [r for r in runs if r is not None]

    assert known == sorted(known, reverse=True)
    assert runs[: len(known)] == known


def test_without_recorded_runs_nothing_is_suggested():
    assert mitigations(SHOP, None, ["gpt"]) == ()


def test_runs_saved_are_worth_their_value():
    spare = of_kind(mitigations(SHOP, RUNS, ["gpt"], values={"shop": 10.0}), MitigationKind.SPARE)

    assert spare.value == pytest.approx(10 * spare.runs)


def test_a_fallback_moved_away_from_its_primarys_provider_saves_runs():
    graph = world(
        needs("A", "gpt"),
        needs("A", "gpt-mini"),
        fallbacks=[fallback("A", "gpt", "gpt-mini", 9, 9)],
        workflows=[workflow("shop", "A")],
        components=MODELS,
    )
    rescued = call("A", call("gpt", failed=True), call("gpt-mini", rescues=True))
    runs = record([("shop", call("A", call("gpt")))] * 20 + [("shop", rescued)] * 9)
    moved = of_kind(mitigations(graph, runs, ["gpt", "gpt-mini"]), MitigationKind.SEPARATE_FATE)

    assert moved is not None
    assert (moved.components, moved.owners) == (("gpt-mini",), ("A",))
    assert moved.runs > 10
    assert of_kind(mitigations(graph, runs, ["gpt"]), MitigationKind.SEPARATE_FATE) is None


def test_spares_found_together_save_what_each_saves_alone():
    lost = dict(
        zip(
            ["B", "gpt"],
            Model.of(SHOP, RUNS, seed=3).lost([Outage(("B",)), Outage(("gpt",))]),
            strict=True,
        )
    )
    together = spared(SHOP, RUNS, lost, seed=3)

    for component_ in ("B", "gpt"):
        alone = of_kind(mitigations(SHOP, RUNS, [component_], seed=3), MitigationKind.SPARE)
        assert together.total(component_) == pytest.approx(alone.runs)


def test_an_entry_has_no_caller_that_could_turn_to_a_spare():
    model = Model.of(SHOP, RUNS, seed=0)
    found = spared(SHOP, RUNS, {"A": model.lost([Outage(("A",))])[0]}, seed=0)

    assert (found.uncalled, found.total("A")) == (frozenset({"A"}), None)


def test_a_retry_saves_the_runs_that_single_failures_ended():
    recovered = call("A", call("t", failed=True), call("t", rescues=True))
    ended = call("A", call("t", failed=True), failed=True)
    graph = world(needs("A", "t"), workflows=[workflow("shop", "A")])
    runs = record([("shop", recovered)] * 9 + [("shop", ended)] * 4)
    (retry,) = retry_mitigations(Model.of(graph, runs, seed=0))

    assert (retry.components, retry.owners, retry.at_most) == (("t",), ("A",), 4)
    assert retry.runs is not None
    assert 3 < retry.runs < 4


def test_without_a_retry_ever_seen_its_success_is_unknown():
    (retry,) = retry_mitigations(Model.of(SHOP, RUNS, seed=0))

    assert (retry.components, retry.runs, retry.at_most) == (("gpt",), None, 4)


def test_a_run_that_two_dependencies_ended_is_not_saved_by_a_retry_of_one():
    graph = world(needs("A", "t"), needs("A", "u"), workflows=[workflow("shop", "A")])
    both = call("A", call("t", failed=True), call("u", failed=True), failed=True)

    assert list(retry_mitigations(Model.of(graph, record([("shop", both)] * 3), seed=0))) == []
