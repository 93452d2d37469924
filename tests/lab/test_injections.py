"""Which faults can be injected, and what they do to a system."""

from __future__ import annotations

import pickle

import pytest

from demo.ecommerce.system import SYSTEM
from demo.faults import Fault, FaultPlan, agent_point
from demo.service import MODEL_SERVER
from lab.injections import Injection, Kind, Mode, injections_of, quietened
from lab.topologies import topology


def test_everything_but_the_services_that_users_call_can_fail() -> None:
    found = [i.reference for i in injections_of(SYSTEM) if i.mode is Mode.OUTAGE]

    assert len(found) == len(set(found)) == 10 + 2 + 9 + 6 + 1 + 1
    assert {"tool:risk_score", "model:gpt-4o", "agent:DiscountBot", "provider:openai"} < set(found)
    assert {"service:payments", "datastore:shop"} < set(found)
    assert "service:storefront" not in found


def test_each_fault_is_there_once_and_every_mode_occurs() -> None:
    found = list(injections_of(SYSTEM))

    assert len({(i.mode, i.reference) for i in found}) == len(found)
    assert {i.mode for i in found} == set(Mode)
    assert {i.kind for i in found if i.mode is Mode.CRASH} == {Kind.SERVICE}


def test_an_outage_strikes_every_attempt_of_every_caller() -> None:
    plan = FaultPlan(7, Injection(Kind.MODEL, "gpt-4o-mini").into(SYSTEM).faults)

    points = [f"{a.name}/gpt-4o-mini" for a in SYSTEM.agents.values() if "gpt-4o-mini" in a.models]
    assert len(points) > 3
    for point in points:
        assert all(plan.strike(point, f"order-{n}") is not None for n in range(20))
    assert plan.strike("InventoryAgent/gpt-4o", "order-1") is None


def test_an_agents_outage_leaves_its_tools_alone() -> None:
    plan = FaultPlan(7, Injection(Kind.AGENT, "FraudAgent").faults(SYSTEM))

    assert plan.strike(agent_point("FraudAgent"), "order-1") is not None
    assert plan.strike("risk_score", "order-1") is None


def test_services_databases_and_providers_are_taken_away() -> None:
    assert Injection(Kind.SERVICE, "payments").disturbance(60).down == {"payments"}
    assert Injection(Kind.DATASTORE, "shop").disturbance(60).down == {"shop"}
    assert Injection(Kind.PROVIDER, "openai").disturbance(60).down == {MODEL_SERVER}
    assert Injection(Kind.TOOL, "risk_score").disturbance(60).down == frozenset()


def test_a_process_is_killed_in_the_middle() -> None:
    crash = Injection(Kind.SERVICE, "payments", Mode.CRASH).disturbance(60)

    assert (crash.down, crash.killed, crash.killed_after) == (frozenset(), "payments", 30)


TASKS = [f"order-{n}" for n in range(400)]


def struck(injection: Injection, attempt: int = 1) -> set[str]:
    plan = FaultPlan(7, injection.faults(SYSTEM))
    for _ in range(attempt - 1):
        for task in TASKS:
            plan.strike("price_list", task)
    return {task for task in TASKS if plan.strike("price_list", task)}


def test_errors_strike_the_same_tasks_again_and_flaky_ones_others() -> None:
    errors = Injection(Kind.TOOL, "price_list", Mode.ERRORS, 0.25)
    flaky = Injection(Kind.TOOL, "price_list", Mode.FLAKY, 0.25)

    assert len(struck(errors)) == pytest.approx(100, abs=30)
    assert struck(errors) == struck(errors, attempt=2)
    assert len(struck(flaky)) == pytest.approx(100, abs=30)
    both = struck(flaky) & struck(flaky, attempt=2)
    assert len(both) == pytest.approx(25, abs=15)


def test_what_is_injected_is_independent_of_the_systems_own_faults() -> None:
    own = {t for t in TASKS if FaultPlan(7, [Fault("price_list", 0.25)]).strike("price_list", t)}

    both = own & struck(Injection(Kind.TOOL, "price_list", Mode.ERRORS, 0.25))

    assert len(both) == pytest.approx(25, abs=15)


def test_something_slow_delays_calls_and_shortens_patience() -> None:
    slow = Injection(Kind.MODEL, "gpt-4o", Mode.SLOW, 20.0).into(SYSTEM)
    plan = FaultPlan(7, slow.faults)

    assert plan.delay("CheckoutAgent/gpt-4o", "order-1") == 20.0
    assert plan.delay("InventoryAgent/gpt-4o-mini", "order-1") == 0.0
    assert slow.model_timeout_seconds < 20.0 < SYSTEM.model_timeout_seconds


def test_a_wrong_result_is_not_an_error() -> None:
    plan = FaultPlan(7, Injection(Kind.TOOL, "risk_score", Mode.WRONG, 0.5).faults(SYSTEM))

    assert all(plan.strike("risk_score", task) is None for task in TASKS)
    assert len([t for t in TASKS if plan.spoils("risk_score", t)]) == pytest.approx(200, abs=40)


def test_a_quiet_system_has_the_same_faults_less_often() -> None:
    assert [f.point for f in quietened(SYSTEM, 0.05).faults] == [f.point for f in SYSTEM.faults]
    assert sum(f.share for f in quietened(SYSTEM, 0.05).faults) == pytest.approx(
        0.05 * sum(f.share for f in SYSTEM.faults)
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_topology_is_whole(seed: int) -> None:
    system = topology(seed)

    sent = pickle.loads(pickle.dumps(system))  # noqa: S301 - made here
    assert sent.services == topology(seed).services
    assert sent.requests(seed, 3) == system.requests(seed, 3)
    assert set(system.homes) == set(system.agents)
    names = list(system.agents)
    assert set(system.services[0].entries.values()) <= set(names)
    order = {f"Agent{number:02}": number for number in range(len(names))}
    for agent in system.agents.values():
        assert all(order[colleague] < order[agent.name] for colleague in agent.colleagues)
        used = {name for step in agent.script for name in step.tools}
        assert used == set(agent.tools) | set(agent.colleagues)
    hosted = [name for service in system.services for name in service.tools]
    assert len(hosted) == len(set(hosted)) == len(system.tool_homes)
    assert set(hosted) <= {name for agent in system.agents.values() for name in agent.tools}
