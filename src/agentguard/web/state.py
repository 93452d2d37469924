"""State that the routes of one application share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import orjson
from fastapi import Depends, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from agentguard.bootstrap.app import App, Serving
from agentguard.graph.selection import SelectedGraph
from agentguard.health import Checkup
from agentguard.kernel.clock import timestamp
from agentguard.traces.receiver import Load
from agentguard.web.metrics import Metrics
from agentguard.web.response_cache import Compute, Question, ResponseCache
from agentguard.web.streams import Streams

AS_OF = "AgentGuard-Graph-As-Of"
_PART = 256 * 1024
"""Bytes of a document that are copied for one client at a time."""
Resolve: TypeAlias = Callable[[], tuple[object, Compute]]
"""Returns the parameters that a request means in its graph, and what computes its document."""


class DocumentResponse(JSONResponse):
    """A JSON document."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class DocumentBytes(Response):
    """A JSON document that is kept as bytes, sent in parts as the client takes them."""

    media_type = "application/json"

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        body = memoryview(self.body)
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        for start in range(0, len(body), _PART):
            part = bytes(body[start : start + _PART])
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


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
        answer = await self.responses.of(question, compute)
        return DocumentBytes(answer, headers=as_of(selected))

    async def answer_unless_known(
        self,
        selected: SelectedGraph,
        endpoint: str,
        parameters: object,
        compute: Compute,
        *,
        known: str | None,
    ) -> Response:
        """Return the same with an ETag; 304 where `known`, an If-None-Match, names that (RFC 9110).

        The graph of a window has none.
        """
        if selected.version is None:
            return await self.answer(selected, endpoint, parameters, compute)
        tag = f'"{self.responses.key(Question(selected.version, endpoint, parameters))}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache", **as_of(selected)}
        if known is not None and tag in _tags(known):
            return Response(status_code=304, headers=headers)
        answer = await self.answer(selected, endpoint, parameters, compute)
        answer.headers.update(headers)
        return answer

    async def document(
        self, selected: SelectedGraph, endpoint: str, parameters: object, compute: Compute
    ) -> Any:
        """Return the document of `compute` itself, computed once for equal questions."""
        if selected.version is None:
            return await compute()
        question = Question(selected.version, endpoint, parameters)
        return await asyncio.to_thread(orjson.loads, await self.responses.of(question, compute))

    async def answer_named(
        self, selected: SelectedGraph, endpoint: str, asked: object, resolve: Resolve
    ) -> Response:
        """Return the same for a request that names components, whose names are resolved once.

        Requests that name the same components differently share one computation.
        """
        if selected.version is None:
            return DocumentResponse(await resolve()[1]())
        version = selected.version

        async def resolved() -> bytes:
            parameters, compute = resolve()
            return await self.responses.of(Question(version, endpoint, parameters), compute)

        question = Question(version, f"{endpoint}, as asked", asked)
        answer = await self.responses.of(question, resolved)
        return DocumentBytes(answer, headers=as_of(selected))


def _tags(known: str) -> list[str]:
    """Return the tags of an If-None-Match header; weak ones compare equal (RFC 9110, 13.1.2)."""
    return [each.strip().removeprefix("W/") for each in known.split(",")]


def as_of(selected: SelectedGraph) -> dict[str, str]:
    """Return the header that says until when a newest graph has all spans.

    Not in the document, which stays the same while no span arrives.
    """
    return {AS_OF: timestamp(selected.as_of) or ""} if selected.as_of else {}


def _state(request: Request) -> AppState:
    state: AppState = request.app.state.agentguard
    return state


StateOf = Annotated[AppState, Depends(_state)]
