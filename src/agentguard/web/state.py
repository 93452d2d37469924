"""What the routes of one application share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response

from agentguard.bootstrap.app import App, Serving
from agentguard.catalog.matching import Matches
from agentguard.catalog.views import view
from agentguard.graph.documents import View, origin_of
from agentguard.graph.store import GraphVersion
from agentguard.health import Checkup
from agentguard.traces.receiver import Load
from agentguard.web.metrics import Metrics
from agentguard.web.response_cache import Compute, Question, ResponseCache
from agentguard.web.streams import Streams


class DocumentResponse(JSONResponse):
    """A document of plain values, written at once."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


@dataclass(frozen=True, slots=True)
class Found:
    """A graph version and what every document about it needs."""

    version: GraphVersion
    matches: Matches
    view: View

    def origin(self) -> dict[str, Any]:
        """Return the members that say which graph a document speaks of."""
        return origin_of(self.version)


@dataclass(frozen=True, slots=True)
class AppState:
    """The opened application behind the routes."""

    app: App
    serving: Serving
    metrics: Metrics
    scanning: Load
    """Scans that are received or worked on."""
    checkup: Checkup
    answers: ResponseCache
    streams: Streams

    async def newest(self, dataset: str | None) -> Found:
        """Return the newest graph of the dataset, or of the dataset last written.

        Raise NoGraphError where there is none.
        """
        return await self.found(await self.app.graphs.newest(dataset))

    async def found(self, version: GraphVersion) -> Found:
        """Return this version and what its documents need."""
        matches = await asyncio.to_thread(self.app.matches, version.graph)
        return Found(version, matches, view(matches, self.app.links))

    async def answer(self, question: Question, compute: Compute) -> Response:
        """Return the document that `compute` gives, computed once for all who ask the same."""
        return Response(await self.answers.of(question, compute), media_type="application/json")


def _state(request: Request) -> AppState:
    state: AppState = request.app.state.agentguard
    return state


StateOf = Annotated[AppState, Depends(_state)]
