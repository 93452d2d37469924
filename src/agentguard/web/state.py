"""State that the routes of one application share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response

from agentguard.bootstrap.app import App, Serving
from agentguard.graph.selection import SelectedGraph
from agentguard.health import Checkup
from agentguard.traces.receiver import Load
from agentguard.web.metrics import Metrics
from agentguard.web.response_cache import Compute, Question, ResponseCache
from agentguard.web.streams import Streams


class DocumentResponse(JSONResponse):
    """A JSON document."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


@dataclass(frozen=True, slots=True)
class AppState:
    """The opened application behind the routes."""

    app: App
    serving: Serving
    metrics: Metrics
    scanning: Load
    """The scans in progress."""
    checkup: Checkup
    responses: ResponseCache
    streams: Streams

    async def answer(
        self, selected: SelectedGraph, endpoint: str, parameters: object, compute: Compute
    ) -> Response:
        """Return the document of `compute`, computed once for equal questions.

        `parameters`: its other inputs, serializable as JSON. The graph of a
        window is not stored, so nothing about it is cached.
        """
        if selected.version is None:
            return DocumentResponse(await compute())
        question = Question(selected.version, endpoint, parameters)
        return Response(await self.responses.of(question, compute), media_type="application/json")


def _state(request: Request) -> AppState:
    state: AppState = request.app.state.agentguard
    return state


StateOf = Annotated[AppState, Depends(_state)]
