"""What observation says a component needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agentguard.analysis.impact import impacts
from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.simulation.engine import simulate
from agentguard.simulation.model import Degraded, Method
from agentguard.simulation.requirements import (
    Need,
    Requirement,
    component_requirements,
    workflow_requirements,
)
from agentguard.simulation.usage_shares import usage_shares
from tests.simulation.worlds import call, component, fallback, needs, record, workflow, world


def found(*dependencies, fallbacks=()) -> dict[tuple[str, ...], Need]:
    return {
        r.members: r.need
        for r in component_requirements(world(*dependencies, fallbacks=fallbacks), None)
    }


def failing(graph, *failed) -> set[str]:
    return {c.id for c in simulate(graph, None, failed, method=Method.STRUCTURAL).components}


@pytest.mark.parametrize(
    ("runs", "need"),
    [(10, Need.REQUIRED), (5, Need.REQUIRED), (4, Need.OPTIONAL), (1, Need.OPTIONAL)],
)
def test_what_at_least_half_of_the_runs_use_is_required(runs, need):
    assert found(needs("A", "B", calls=runs, source_runs=runs)) == {("B",): need}


def test_many_calls_in_few_runs_do_not_make_it_required():
    assert found(needs("A", "B", calls=50, source_runs=2)) == {("B",): Need.OPTIONAL}


def test_where_runs_were_not_counted_the_worst_is_assumed():
    assert found(needs("A", "B", calls=1, source_runs=0)) == {("B",): Need.REQUIRED}


@pytest.mark.parametrize(
    ("absorbed", "propagated", "need"),
    [
        (4, 0, Need.OPTIONAL),
        (1, 0, Need.REQUIRED),
        (4, 4, Need.REQUIRED),
        (0, 4, Need.REQUIRED),
        (90, 10, Need.OPTIONAL),
    ],
)
def test_what_most_failures_of_were_absorbed_is_optional_once_that_is_sure(
    absorbed, propagated, need
):
    errors = absorbed + propagated
    dependency = needs(
        "A", "B", calls=100, source_runs=10, errors=errors, absorbed=absorbed, propagated=propagated
    )

    assert found(dependency) == {("B",): need}


def test_failures_that_a_retry_made_good_do_not_count_as_absorbed():
    assert found(needs("A", "B", calls=100, errors=20, absorbed=20, retries=20)) == {
        ("B",): Need.REQUIRED
    }


def test_failures_that_a_fallback_made_good_do_not_count_as_absorbed():
    backup = fallback("A", "B", "C", count=20, rescued=20)

    assert found(needs("A", "B", calls=100, errors=20, absorbed=20), fallbacks=[backup]) == {
        ("B", "C"): Need.REQUIRED
    }


def test_a_callee_used_only_as_a_fallback_is_no_requirement_of_its_own():
    backup = fallback("A", "B", "C", count=3, rescued=3)

    assert found(needs("A", "B"), needs("A", "C", calls=3, source_runs=3), fallbacks=[backup]) == {
        ("B", "C"): Need.REQUIRED
    }


def test_a_fallback_tried_again_is_still_only_a_fallback():
    backup = fallback("A", "B", "C", count=3, rescued=3)
    tried_again = needs("A", "C", calls=5, retries=2, source_runs=3)

    assert ("C",) not in found(needs("A", "B"), tried_again, fallbacks=[backup])


def test_a_callee_also_used_without_need_is_required_too():
    backup = fallback("A", "B", "C", count=3, rescued=3)
    expected = {("B", "C"): Need.REQUIRED, ("C",): Need.REQUIRED}

    assert (
        found(needs("A", "B"), needs("A", "C", calls=13, source_runs=10), fallbacks=[backup])
        == expected
    )


@pytest.mark.parametrize(
    ("rescued", "members"), [(4, ("B", "C")), (2, ("B", "C")), (1, ("B",)), (0, ("B",))]
)
def test_what_mostly_failed_to_help_is_no_alternative(rescued, members):
    assert found(
        needs("A", "B"), fallbacks=[fallback("A", "B", "C", count=4, rescued=rescued)]
    ) == {members: Need.REQUIRED}


def test_a_fallbacks_fallback_belongs_to_the_same_group():
    fallbacks = [fallback("A", "B", "C"), fallback("A", "C", "D")]

    assert found(needs("A", "B"), fallbacks=fallbacks) == {("B", "C", "D"): Need.REQUIRED}


def test_two_that_stand_in_for_each_other_are_one_group_seen_from_both_sides():
    fallbacks = [fallback("A", "B", "C"), fallback("A", "C", "B")]
    graph = world(needs("A", "B"), needs("A", "C"), fallbacks=fallbacks)

    assert failing(graph, "B") == failing(graph, "C") == set()
    assert failing(graph, "B", "C") == {"A"}


def test_a_fallback_that_depends_on_its_primary_is_false_redundancy():
    graph = world(needs("A", "B"), needs("C", "B"), fallbacks=[fallback("A", "B", "C")])

    assert failing(graph, "B") == {"A", "C"}


def test_an_asynchronous_callee_is_marked_as_such():
    (requirement,) = component_requirements(world(needs("A", "B", DependencyType.MESSAGING)), None)

    assert requirement == Requirement("A", ("B",), Need.REQUIRED, returns=False)


def test_losing_something_optional_degrades_and_does_not_fail():
    graph = world(needs("A", "B", calls=1, source_runs=1), workflows=[workflow("w", "A")])
    result = simulate(graph, None, ["B"])

    assert result.components == ()
    assert result.workflows == ()
    assert result.degraded == (Degraded("A", ("B",)),)


def test_one_of_several_handoffs_lost_degrades_the_workflow():
    handoffs = (
        needs("Triage", to, DependencyType.HANDOFF, calls=3, source_runs=3)
        for to in ("Billing", "Sales")
    )
    graph = world(*handoffs, workflows=[workflow("desk", "Triage")])

    assert simulate(graph, None, ["Billing"]).degraded == (Degraded("desk", ("Billing",)),)


def test_what_comes_after_the_usual_handoff_counts_for_the_workflow():
    graph = world(
        needs("Front", "Triage"),
        needs("Triage", "Billing", DependencyType.HANDOFF),
        needs("Billing", "Archive", DependencyType.MESSAGING),
        workflows=[workflow("desk", "Front")],
    )

    result = simulate(graph, None, ["Archive"])
    assert result.components == ()
    assert [(w.id, w.runs_lost) for w in result.workflows] == [("desk", 10)]
    assert [(s.source, s.target) for s in result.workflows[0].path] == [("desk", "Archive")]


def test_a_rarely_taken_way_does_not_make_its_handoffs_necessary():
    graph = world(
        needs("Front", "Triage", calls=1, source_runs=1),
        needs("Triage", "Billing", DependencyType.HANDOFF),
        workflows=[workflow("desk", "Front")],
    )

    assert simulate(graph, None, ["Billing"]).workflows == ()


def test_the_order_of_the_graph_does_not_matter():
    parts = (needs("A", "B"), needs("A", "C", calls=3), needs("C", "D"), needs("B", "D"))
    fallbacks = [fallback("A", "B", "C", 3, 2), fallback("A", "B", "D", 3, 3)]
    there = world(*parts, fallbacks=fallbacks, workflows=[workflow("v", "A"), workflow("w", "C")])
    back = world(
        *parts[::-1], fallbacks=fallbacks[::-1], workflows=[workflow("w", "C"), workflow("v", "A")]
    )

    for failed in "ABCD":
        assert simulate(there, None, [failed]) == simulate(back, None, [failed])


def test_invocations_unknown_count_as_required():
    graph = world(
        needs("A", "B", calls=1, source_runs=1), components=[component("A", invocations=0)]
    )

    assert [r.need for r in component_requirements(graph, None)] == [Need.REQUIRED]


GATEWAY = world(
    needs("gateway", "Checkout", calls=40, source_runs=40),
    needs("gateway", "Advice", calls=20, source_runs=20),
    needs("Checkout", "Payment"),
    workflows=[
        replace(workflow("buy", "gateway"), entry="Checkout"),
        replace(workflow("browse", "gateway"), entry="Advice"),
    ],
    components=[component("gateway", ComponentKind.SERVICE, invocations=60)],
)
VISITS = record(
    [("buy", call("gateway", call("Checkout", call("Payment"))))] * 40
    + [("browse", call("gateway", call("Advice")))] * 20,
)


@pytest.mark.parametrize("runs", [None, VISITS])
def test_workflows_that_share_an_entry_do_not_share_what_it_calls(runs):
    def down(failed: str) -> tuple[str, ...]:
        return simulate(GATEWAY, runs, [failed]).structural_workflows

    assert down("Payment") == ("buy",)
    assert down("Checkout") == ("buy",)
    assert down("Advice") == ("browse",)
    assert down("gateway") == ("browse", "buy")


def test_the_way_to_a_workflow_behind_a_shared_entry_leads_through_it():
    result = simulate(GATEWAY, VISITS, ["Payment"], method=Method.STRUCTURAL)

    (buy,) = result.workflows
    assert [(s.source, s.target) for s in buy.path] == [
        ("Checkout", "Payment"),
        ("gateway", "Checkout"),
        ("buy", "gateway"),
    ]
    assert [c.id for c in result.components] == ["Checkout", "gateway"]


def test_the_structural_findings_of_all_outages_know_shared_entries_too():
    found = impacts(GATEWAY, VISITS, seed=0)

    assert {c: sorted(i.structural_workflows) for c, i in found.of.items()} == {
        "Advice": ["browse"],
        "Checkout": ["buy"],
        "Payment": ["buy"],
        "gateway": ["browse", "buy"],
    }


def test_a_shared_entrys_message_counts_for_the_workflow_that_sends_it():
    sends = needs("gateway", "Mailer", DependencyType.MESSAGING, calls=40, source_runs=40)
    graph = replace(
        GATEWAY,
        dependencies=(*GATEWAY.dependencies, sends),
        components=(*GATEWAY.components, component("Mailer")),
    )
    bought = (
        "buy",
        call("gateway", call("Checkout"), call("Mailer", type=DependencyType.MESSAGING)),
    )

    runs = record([bought] * 4 + [("browse", call("gateway", call("Advice")))] * 2)
    assert simulate(graph, runs, ["Mailer"]).structural_workflows == ("buy",)


def test_a_looping_caller_counts_once_per_run():
    handoff = DependencyType.HANDOFF
    graph = world(
        needs("loop", "Supervisor", calls=20, source_runs=5),
        needs("Supervisor", "gpt", calls=5, source_runs=5),
        needs("Supervisor", "Writer", handoff, calls=5, source_runs=5),
        needs("Supervisor", "Critic", handoff, calls=1, source_runs=1),
        workflows=[workflow("w", "loop", runs=5)],
        components=[component("Supervisor", invocations=20)],
    )
    plain, last = call("Supervisor"), call("Supervisor", call("gpt"), call("Writer", type=handoff))
    runs = record(
        [("w", call("loop", plain, plain, plain, last))] * 4
        + [("w", call("loop", last, call("Supervisor", call("Critic", type=handoff))))]
    )

    down = {c: simulate(graph, runs, [c]).structural_workflows for c in ("gpt", "Writer", "Critic")}
    assert down == {"gpt": ("w",), "Writer": ("w",), "Critic": ()}
    assert simulate(graph, None, ["Writer"]).structural_workflows == ()


def test_shares_of_runs_leave_out_calls_made_as_a_fallback():
    rescued = ("w", call("A", call("B", failed=True), call("C", rescues=True)))
    retried = ("w", call("A", call("B", failed=True), call("B", rescues=True)))
    use = usage_shares(
        record(
            [
                rescued,
                retried,
                ("w", call("A")),
                ("v", call("B", call("C"))),
                ("u", call("A", call("B", call("D")))),
            ]
        )
    )

    assert use is not None
    assert use.by_caller == {("A", "B"): 3 / 4, ("B", "C"): 1 / 4, ("B", "D"): 1 / 4}
    assert use.by_root_component == {("w", "B"): 2 / 3, ("v", "C"): 1.0, ("u", "B"): 1.0}
    assert use.by_workflow == {}
    assert usage_shares(None) is None


class Counted(tuple[Any, ...]):  # noqa: SLOT001
    """Counts how often it was iterated."""  # so it needs a __dict__

    def __iter__(self) -> Iterator[Any]:
        self.iterated = getattr(self, "iterated", 0) + 1
        return super().__iter__()


@pytest.mark.parametrize("workflows", [2, 200])
def test_the_dependencies_are_passed_over_as_often_for_many_workflows(workflows: int) -> None:
    graph = world(
        *(needs("gateway", f"agent {n}") for n in range(workflows)),
        workflows=[
            replace(workflow(f"w {n}", "gateway"), entry=f"agent {n}") for n in range(workflows)
        ],
    )
    edges, components = Counted(graph.dependencies), Counted(graph.components)
    counted = replace(graph, dependencies=edges, components=components)

    found = list(workflow_requirements(counted, component_requirements(graph, None), None))

    assert len(found) == 2 * workflows
    assert (edges.iterated, components.iterated) == (1, 1)
