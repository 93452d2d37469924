"""Health checks and polls are no workflows, by a rule that shows and that can be replaced."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from agentguard.discovery.dialects.loading import load_dialects
from agentguard.graph.model import Graph
from agentguard.scan.pipeline import scan
from tests.scan.test_pipeline import CLIENT, SERVER, Recorder

START = 1_767_225_600 * 10**9


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
        "GET /actuator/health/liveness",
        "GET /q/health/ready",
        "GET /-/healthy",
        "GET /_ah/warmup",
        "GET /__lbheartbeat__",
        "GET /_cluster/health",
        "GET /claims-api/healthz",
        "GET /claims/actuator/prometheus",
        "GET /v2/health/live",
    ],
)
def test_health_checks_are_no_workflows_and_are_counted(name: str) -> None:
    found = served(None, name, name, "GET /orders")

    assert [w.name for w in found.workflows] == ["GET /orders"]
    assert found.coverage.housekeeping == {name: 2}


@pytest.mark.parametrize(
    "name",
    [
        "GET /healthcare/plans",
        "POST /status-reports",
        "GET /readings",
        "POST /health-coach",
        "GET /health/claims",
        "POST /health",
        "GET /patients/health",
        "GET /status/orders",
        "GET /live-chat",
        "POST /ping",
    ],
)
def test_names_that_only_begin_alike_are_workflows(name: str) -> None:
    assert [w.name for w in served(None, name).workflows] == [name]


def test_the_rule_can_be_replaced() -> None:
    found = served("^GET /poll$", "GET /poll", "GET /health")

    assert [w.name for w in found.workflows] == ["GET /health"]
    assert found.coverage.housekeeping == {"GET /poll": 1}


def test_an_empty_rule_leaves_every_entry_a_workflow() -> None:
    assert len(served("", "GET /poll", "GET /health").workflows) == 2


@pytest.mark.parametrize(
    ("agent", "method", "found"),
    [
        ("kube-probe/1.33", "GET", 0),
        ("ELB-HealthChecker/2.0", "GET", 0),
        ("GoogleHC/1.0", "HEAD", 0),
        ("Amazon-Route53-Health-Check-Service (ref 1; report http://amzn.to/1vsZADi)", "GET", 0),
        ("Consul Health Check", "GET", 0),
        ("Prometheus/3.1.0", "GET", 0),
        ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "GET", 0),
        ("Prometheus/3.1.0", "POST", 1),
        ("Prometheus-Assistant/1.0", "GET", 1),
        ("Alertmanager/0.28", "POST", 1),
        ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "GET", 1),
        ("curl/8.5.0", "GET", 1),
        ("health-coach/1.0", "GET", 1),
    ],
)
@pytest.mark.parametrize("key", ["user_agent__original", "http__user_agent"])
def test_probes_are_known_by_who_asks(agent: str, method: str, found: int, key: str) -> None:
    r = Recorder()
    of: dict[str, Any] = {"http__request__method": method, key: agent}
    r.span(f"{method} /anything", kind=SERVER, **of)

    graph = scan([r.payload()], load_dialects()).graph

    assert sum(w.runs for w in graph.workflows) == found
    assert sum(graph.coverage.housekeeping.values()) == 1 - found


def test_an_empty_rule_leaves_probes_workflows_too() -> None:
    r = Recorder()
    r.span("GET /", kind=SERVER, http__request__method="GET", user_agent__original="kube-probe/1")

    assert len(scan([r.payload()], load_dialects("")).graph.workflows) == 1


class Service:
    """A service that uses a database; each span has a trace of its own, at a minute."""

    def __init__(self) -> None:
        self._recorder, self._number = Recorder(), count(1)

    def at(self, minute: float, name: str, parent: str = "", **more: Any) -> str:
        r = self._recorder
        if not parent:
            r.trace = str(next(self._number))
        found = r.span(name, parent, **more)
        span = r.spans["app"][-1]
        length = span["endTimeUnixNano"] - span["startTimeUnixNano"]
        span["startTimeUnixNano"] = START + int(minute * 60 * 10**9)
        span["endTimeUnixNano"] = span["startTimeUnixNano"] + length
        return found

    def query(self, minute: float, name: str, parent: str = "") -> None:
        self.at(minute, name, parent, kind=CLIENT, db__system="postgresql", db__name="shop")

    def serve(self, minute: float, name: str = "GET /orders") -> str:
        return self.at(minute, name, kind=SERVER, http__request__method="GET")

    def calls(self) -> int:
        """Calls of the database."""
        graph = scan([self._recorder.payload()], load_dialects()).graph
        assert all(w.name.startswith("GET /") for w in graph.workflows)
        return sum(d.calls for d in graph.dependencies)


def test_what_a_service_asks_its_database_before_it_serves_is_no_dependency() -> None:
    s = Service()
    s.query(0, "INSERT shop.customer")
    s.serve(0.1, "GET /healthz")
    s.query(0.2, "INSERT shop.product")
    served = s.serve(1)
    s.query(1.01, "SELECT shop.customer", served)

    assert s.calls() == 1


def test_a_job_that_asks_the_database_all_the_time_is_a_dependency() -> None:
    s = Service()
    s.query(0, "SELECT shop.jobs")
    s.serve(1)
    s.query(2, "SELECT shop.jobs")

    assert s.calls() == 2


def test_a_job_long_before_the_first_request_is_a_dependency() -> None:
    s = Service()
    s.query(0, "SELECT shop.jobs")
    s.serve(60)

    assert s.calls() == 1


@pytest.mark.parametrize(
    "name", ["CREATE TABLE shop.customer", "SELECT 1", "connect", "SELECT public.alembic_version"]
)
def test_schemas_and_connections_are_start_up_after_a_restart_too(name: str) -> None:
    s = Service()
    s.query(0, "SELECT shop.jobs")
    s.serve(1)
    s.query(2, name)
    s.query(3, "SELECT shop.jobs")

    assert s.calls() == 2


def test_a_schema_change_within_a_run_is_a_dependency() -> None:
    s = Service()
    s.query(1, "CREATE TABLE shop.report", s.serve(0.9))

    assert s.calls() == 1


def test_what_a_service_that_serves_nothing_asks_is_a_dependency() -> None:
    s = Service()
    s.query(0, "CREATE TABLE shop.customer")

    assert s.calls() == 1


def test_a_service_named_like_an_agent_starts_no_run_by_its_start_up() -> None:
    r = Recorder()
    of: dict[str, Any] = {"db__system": "postgresql", "db__name": "shop"}
    r.span("CREATE TABLE shop.customer", kind=CLIENT, service="clerk-agent", **of)
    r.trace = "2"
    r.span("GET /orders", kind=SERVER, service="clerk-agent", http__request__method="GET")

    assert [w.runs for w in scan([r.payload()], load_dialects()).graph.workflows] == [1]
