"""The names under which tests find servers."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.services.fleet import KINDS

TEST_PREFIX = "AGENTGUARD_TEST_"
"""Before a setting's plain name."""
FLEET = "AGENTGUARD_TEST_FLEET"
"""Names the file that lists the servers started for this run."""


def plain(name: str) -> str:
    """Return the setting's name as tests know it."""
    return name.removeprefix("AGENTGUARD_")


def for_tests(
    settings: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings of our servers, given by server, under the tests' names.

    Servers that the environment names are left out.
    """
    return {
        TEST_PREFIX + plain(name): value
        for server, its in settings.items()
        if TEST_PREFIX + plain(KINDS[server].named_by) not in environment
        for name, value in its.items()
    }
