"""Passwords that are hashed quickly, and thus badly: for tests of everything else."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from agentguard.accounts.passwords import Passwords
from agentguard.bootstrap import accounts

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "Passwords", lambda: Passwords(QUICK))
