"""Health checks and polls are no workflows, by a rule that shows and that can be replaced."""

from __future__ import annotations

import pytest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.model import Graph
from agentguard.scan.pipeline import scan
from tests.scan.test_pipeline import SERVER, Recorder


def served(housekeeping: str | None, *names: str) -> Graph:
    r = Recorder()
    for trace, name in enumerate(names):
        r.trace = str(trace)
        r.span(name, kind=SERVER, http__request__method="GET")
    return scan([r.payload()], load_dialects(housekeeping)).graph


@pytest.mark.parametrize(
    "name",
    [
        "GET /health",
        "GET /healthz",
        "/ready",
        "GET /metrics",
        "grpc.health.v1.Health/Check",
        "HEAD /livez",
    ],
)
def test_health_checks_are_no_workflows_and_are_counted(name: str) -> None:
    found = served(None, name, name, "GET /orders")

    assert [w.name for w in found.workflows] == ["GET /orders"]
    assert found.coverage.housekeeping == {name: 2}


@pytest.mark.parametrize("name", ["GET /healthcare/plans", "POST /status-reports", "GET /readings"])
def test_names_that_only_begin_alike_are_workflows(name: str) -> None:
    assert [w.name for w in served(None, name).workflows] == [name]


def test_the_rule_can_be_replaced() -> None:
    found = served("^GET /poll$", "GET /poll", "GET /health")

    assert [w.name for w in found.workflows] == ["GET /health"]
    assert found.coverage.housekeeping == {"GET /poll": 1}


def test_an_empty_rule_leaves_every_entry_a_workflow() -> None:
    assert len(served("", "GET /poll", "GET /health").workflows) == 2
