"""Which method simulates a scenario."""

from __future__ import annotations

from collections.abc import Mapping

from agentguard.graph.runs import Runs
from agentguard.simulation.errors import ModeNotSupportedError
from agentguard.simulation.model import Method
from agentguard.simulation.modes import OUTAGE, Mode


def recorded(runs: Runs | None) -> bool:
    """Return whether there are runs to replay."""
    return runs is not None and runs.runs.num_rows > 0 and runs.calls.num_rows > 0


def chosen_method(method: Method | None, runs: Runs | None, modes: Mapping[str, Mode]) -> Method:
    """Return the method that was asked for, or the default one for these modes.

    Raises ModeNotSupportedError where it simulates outages only, but other modes were asked for.
    """
    other = next((mode for mode in modes.values() if mode != OUTAGE), None)
    if method is None:
        outages = Method.REPLAY if recorded(runs) else Method.STRUCTURAL
        return outages if other is None else Method.MONTE_CARLO
    if other is not None and method is not Method.MONTE_CARLO:
        raise ModeNotSupportedError(
            f"The method {method.value} simulates outages only, but {other.text} was asked for. Use"
            " the method monte_carlo."
        )
    return method
