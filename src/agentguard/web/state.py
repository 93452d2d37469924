"""What the routes of one application share."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from starlette.responses import JSONResponse

from agentguard.analysis.analyze import analyze
from agentguard.analysis.documents import analysis_document
from agentguard.bootstrap import App, Serving
from agentguard.catalog.matching import Matches
from agentguard.catalog.views import view
from agentguard.graph.documents import View, origin_of
from agentguard.graph.store import GraphVersion
from agentguard.traces.receiver import Load
from agentguard.web.metrics import Metrics
from agentguard.web.streams import Streams

_REMEMBERED = 8


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
class State:
    """The opened application behind the routes."""

    app: App
    serving: Serving
    metrics: Metrics
    scanning: Load
    """Scans that are received or worked on."""
    streams: Streams
    _analyses: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    _analysing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def newest(self, dataset: str | None) -> Found:
        """Return the newest graph of the dataset, or of the dataset last written; raise NoGraphError where there is none."""
        version = await self.app.graphs.newest(dataset)
        matches = await asyncio.to_thread(self.app.matches, version.graph)
        return Found(version, matches, view(matches, self.app.links))

    async def analysis(self, found: Found) -> dict[str, Any]:
        """Return the analysis's document; a version never changes, so each is analysed once."""
        async with self._analysing:
            known = self._analyses.get(found.version.id)
            if known is None:
                known = self._analyses[found.version.id] = await self._analyse(found)
                while len(self._analyses) > _REMEMBERED:
                    self._analyses.popitem(last=False)
        return known

    async def _analyse(self, found: Found) -> dict[str, Any]:
        runs = await self.app.graphs.runs(found.version.id)
        analysis = await asyncio.to_thread(analyze, found.version.graph, runs, matches=found.matches)
        return analysis_document(analysis, links=self.app.links)


def _state(request: Request) -> State:
    state: State = request.app.state.agentguard
    return state


StateOf = Annotated[State, Depends(_state)]
