"""Async tests run on asyncio; every test has a data directory and settings of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.diagnosis.doctor import Doctor


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "AGENTGUARD_DATA_DIR": "data",
        "API_PORT": "0",
        "AGENTGUARD_OTLP_PORT": "0",
        "AGENTGUARD_OTLP_GRPC_PORT": "0",
    }.items():
        monkeypatch.setenv(name, value)
    return Doctor(monkeypatch)
