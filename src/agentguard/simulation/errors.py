"""Errors of simulations."""

from __future__ import annotations

from agentguard.kernel.errors import InvalidInputError


class NothingToReplayError(InvalidInputError):
    """A replay was requested, but there are no recorded runs."""

    code = "nothing-to-replay"


class ModeNotSupportedError(InvalidInputError):
    """The chosen method simulates outages only."""

    code = "mode-not-supported"


class EmptyScenarioError(InvalidInputError):
    """The scenario contains no component."""

    code = "empty-scenario"
