"""What is too old for us, or cannot be what we need, is said.

Versions that cannot be had here are made up.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from agentguard.adapters.celery.inspection import BrokerQueue
from agentguard.adapters.neo4j.inspection import GraphServer
from agentguard.adapters.redis.inspection import KeyServer
from agentguard.adapters.sql.migrating import HEAD
from agentguard.adapters.sql.postgres_inspection import DatabaseServer
from agentguard.diagnosis.checks import Finding
from agentguard.diagnosis.judging import judge_broker, judge_neo4j, judge_postgresql, judge_redis

POSTGRESQL = DatabaseServer(
    "postgresql://h/d", "17.2", 17, "UTF8", 100, read_only=False, may_create=True, revision=HEAD
)
NEO4J = GraphServer("5.26.0", "enterprise", constrained=True)
REDIS = KeyServer("Valkey", "8.0.1", 7, 0, "noeviction", read_only=False)
RABBITMQ = BrokerQueue("RabbitMQ", "4.1.0", exists=True, messages=1234, consumers=2)


def test_what_is_new_enough_is_fine():
    checks = [
        *judge_postgresql(POSTGRESQL),
        judge_neo4j("p", NEO4J),
        judge_redis("p", REDIS),
        judge_broker("p", "q", RABBITMQ),
    ]

    assert {check.finding for check in checks} == {Finding.FINE}
    assert checks[2].detail.startswith("p: Valkey 8.0.1,")
    assert checks[3].detail == "p: RabbitMQ 4.1.0; messages in the queue 'q': 1,234; workers: 2."


@pytest.mark.parametrize(
    ("check", "finding"),
    [
        (next(judge_postgresql(replace(POSTGRESQL, version="14.9", major=14))), Finding.BROKEN),
        (judge_neo4j("p", replace(NEO4J, version="4.4.30")), Finding.BROKEN),
        (
            judge_redis("p", replace(REDIS, product="Redis", version="5.0.7", like_redis=5)),
            Finding.WARNING,
        ),
        (judge_broker("p", "q", replace(RABBITMQ, version="3.9.29")), Finding.BROKEN),
    ],
)
def test_what_is_too_old_is_to_be_upgraded(check, finding):
    assert check.finding is finding
    assert "Upgrade it to" in check.detail


def test_an_older_schema_is_fine_and_says_who_brings_it_up():
    (check,) = judge_postgresql(replace(POSTGRESQL, revision="0001"))

    assert check.finding is Finding.FINE
    assert f"the next start updates it to {HEAD}" in check.detail
