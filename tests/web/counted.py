"""Counts calls, for tests of what must not be done twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest


def counting(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Counter[str]:
    """Count the calls of a function or method under its name."""
    calls: Counter[str] = Counter()
    real = getattr(owner, name)

    def called(*arguments, **more):
        calls[name] += 1
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, called)
    return calls
