"""Settings that do not go together are told; those that do are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentguard.diagnosis.checks import Finding
from agentguard.diagnosis.combinations import PROCESSES, combinations
from agentguard.settings import Settings

PASSWORD = "zq9-open-sesame"
POSTGRESQL = {"database_url": f"postgresql://a:{PASSWORD}@db/x"}
REDIS = {"redis_url": f"redis://:{PASSWORD}@cache:6379/0"}
BROKER = {"celery_broker_url": f"amqp://a:{PASSWORD}@queue//"}
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound
SEVERAL = {PROCESSES: "4"}


def told(settings: dict[str, Any], variables: dict[str, str] | None = None) -> list[str]:
    """Return the warnings."""
    found = list(combinations(Settings(data_dir=Path("data"), **settings), variables or {}))
    assert PASSWORD not in str(found)
    warnings = [check.detail for check in found if check.finding is Finding.WARNING]
    assert warnings or [check.finding for check in found] == [Finding.FINE]
    return warnings


@pytest.mark.parametrize(
    ("settings", "variables", "sentence"),
    [
        (
            {"api_host": EVERYWHERE},
            {},
            "the server does not start. Set AGENTGUARD_API_KEY",
        ),
        (
            {"api_host": "agents.example", "api_key": "k", "debug": True},
            {},
            "DEBUG logs every request",
        ),
        ({}, SEVERAL, "SQLite allows one writer at a time. Set DATABASE_URL"),
        (
            {**POSTGRESQL, "rate_limit": 60},
            SEVERAL,
            "applies AGENTGUARD_RATE_LIMIT separately. Set REDIS_URL",
        ),
        (BROKER, {}, "only workers on this machine"),
        (
            {**POSTGRESQL, **REDIS, "celery_broker_url": "redis://cache/1"},
            {},
            "name the same Redis server",
        ),
        ({"window_hours": 48, "retention_hours": 24}, {}, "spans are deleted after 24 hours"),
    ],
)
def test_each_risky_combination_is_told_alone(settings, variables, sentence):
    (warning,) = told(settings, variables)

    assert sentence in warning


@pytest.mark.parametrize(
    ("settings", "variables"),
    [
        ({}, {}),
        ({}, {PROCESSES: "1"}),
        ({}, {PROCESSES: "many"}),
        ({"api_host": "::1"}, {}),
        ({"api_host": "localhost", "debug": True}, {}),
        ({"api_host": EVERYWHERE, "api_key": "k"}, {}),
        ({"api_host": EVERYWHERE, "proxy_authenticates": True}, {}),
        ({**POSTGRESQL, **REDIS, **BROKER, "rate_limit": 60}, SEVERAL),
        ({**POSTGRESQL, **REDIS, "celery_broker_url": "redis://queue/0"}, SEVERAL),
    ],
)
def test_what_goes_together_is_left_alone(settings, variables):
    assert told(settings, variables) == []


def test_all_of_them_are_told_at_once():
    everything = {
        "api_host": EVERYWHERE,
        "debug": True,
        "rate_limit": 1,
        "window_hours": 48,
        "retention_hours": 24,
        **BROKER,
    }

    assert len(told(everything, SEVERAL)) == 6
