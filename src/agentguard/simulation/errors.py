"""What can go wrong with simulations."""

from __future__ import annotations

from agentguard.kernel.errors import InvalidInputError


class NothingToReplayError(InvalidInputError):
    """A replay was asked for, and there are no recorded runs."""

    code = "nothing-to-replay"


class EmptyScenarioError(InvalidInputError):
    """Nothing was said to fail."""

    code = "empty-scenario"
