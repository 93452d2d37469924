"""What fails, from the body of a request."""

from __future__ import annotations

from agentguard.simulation.service import Failure
from agentguard.web.schemas.requests import FailureRequest
from agentguard.web.state import AppState
from agentguard.web.windows import window_of


def failure_of(state: AppState, wanted: FailureRequest) -> Failure:
    """Return what fails in which graph; raise TimeWindowError, GraphSelectionError."""
    return wanted.failure(window_of(state, wanted.since, wanted.until, wanted.lookback))
