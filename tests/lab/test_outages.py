"""Which outages there are, and what they do to a system."""

from __future__ import annotations

import pickle

import pytest

from demo.ecommerce.system import SYSTEM
from demo.faults import FaultPlan, agent_point
from lab.outages import Outage, OutageKind, outages_of, quietened, with_outage
from lab.topologies import topology


def test_everything_but_the_services_that_users_call_can_fail() -> None:
    found = [outage.reference for outage in outages_of(SYSTEM)]

    assert len(found) == len(set(found)) == 10 + 2 + 9 + 6 + 1
    assert {"tool:risk_score", "model:gpt-4o", "agent:DiscountBot"} < set(found)
    assert {"service:payments", "datastore:shop"} < set(found)
    assert "service:storefront" not in found


def test_an_outage_strikes_every_attempt_of_every_caller() -> None:
    struck = with_outage(SYSTEM, Outage(OutageKind.MODEL, "gpt-4o-mini"))
    plan = FaultPlan(7, struck.faults)

    points = [f"{a.name}/gpt-4o-mini" for a in SYSTEM.agents.values() if "gpt-4o-mini" in a.models]
    assert len(points) > 3
    for point in points:
        assert all(plan.strike(point, f"order-{n}") is not None for n in range(20))
    assert plan.strike("InventoryAgent/gpt-4o", "order-1") is None


def test_an_agents_outage_leaves_its_tools_alone() -> None:
    plan = FaultPlan(7, Outage(OutageKind.AGENT, "FraudAgent").faults(SYSTEM))

    assert plan.strike(agent_point("FraudAgent"), "order-1") is not None
    assert plan.strike("risk_score", "order-1") is None


def test_services_and_databases_are_taken_away() -> None:
    assert Outage(OutageKind.SERVICE, "payments").down == {"payments"}
    assert Outage(OutageKind.DATASTORE, "shop").down == {"shop"}
    assert Outage(OutageKind.TOOL, "risk_score").down == frozenset()


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
