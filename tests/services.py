"""Where the real servers are that tests talk to: named in the environment, or started by `make services`."""

from __future__ import annotations

import os
from functools import cache

import pytest

from scripts.services.fleet import remembered

TEST_PREFIX = "AGENTGUARD_TEST_"


@cache
def _started() -> dict[str, str]:
    fleet = remembered()
    return {} if fleet is None else {name.removeprefix("AGENTGUARD_"): value for name, value in fleet.settings.items()}


def server(name: str) -> str:
    """Return the value of a setting that points at a test server (DATABASE_URL, say); without that server, skip, but fail in CI."""
    found = os.environ.get(TEST_PREFIX + name) or _started().get(name)
    if not found:
        message = f"No test server: {TEST_PREFIX}{name} is not set, and `make services` was not run."
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found
