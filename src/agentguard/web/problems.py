"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentguard.kernel.errors import AgentGuardError, UnavailableError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "1"}
_OTLP_PREFIX = "/v1/"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="A URI for this kind of problem.",
        examples=["urn:agentguard:problem:unknown-component"],
    )
    title: str
    status: int
    detail: str = Field(description="What happened, then what to do.")
    code: str = Field(description="The kind of problem, stable.", examples=["unknown-component"])


class ProblemResponse(Response):
    """One problem, as its error names it."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        document = problem_document(status, code, detail, extensions or {})
        super().__init__(orjson.dumps(document), status, headers=dict(headers or {}))


def problem_document(
    status: int, code: str, detail: str, extensions: Mapping[str, object]
) -> dict[str, Any]:
    """Return the problem; extensions never hide its own members."""
    own = {
        "type": f"urn:agentguard:problem:{code}",
        "title": code.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return dict(extensions) | own


async def answer_error(_request: Request, error: Exception) -> Response:
    """Answer an AgentGuardError."""
    # Starlette hands over what was registered for
    assert isinstance(error, AgentGuardError)  # noqa: S101
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, UnavailableError):
        log.error("request_failed", code=error.code, exc_info=error)
        return internal_problem()
    headers = RETRY_AFTER if isinstance(error, UnavailableError) else None
    return ProblemResponse(
        error.status, error.code, str(error), headers=headers, extensions=error.extensions
    )


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer what routing refuses: no such path, another method.

    OTLP's paths in plain text, as its exporters expect.
    """
    assert isinstance(error, HTTPException)  # noqa: S101 - see above
    if isinstance(error.__cause__, AgentGuardError):  # raised while FastAPI read the body
        return await answer_error(request, error.__cause__)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED and request.url.path.startswith(_OTLP_PREFIX):
        return PlainTextResponse(
            "405 method not allowed, supported: [POST]", status, headers={"Allow": "POST"}
        )
    code = status.phrase.lower().replace(" ", "-")
    return ProblemResponse(
        status, code, _details(status, request, str(error.detail)), headers=headers
    )


async def answer_invalid_request(_request: Request, error: Exception) -> Response:
    """Answer a request that does not fit its schema, naming every place."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - see above
    faults = [
        {"location": [str(part) for part in fault["loc"]], "message": fault["msg"]}
        for fault in error.errors()
    ]
    first = faults[0] if faults else {"location": [], "message": "unknown"}
    detail = (
        f"The request does not fit: {'.'.join(first['location'])}: {first['message']}. `errors` has"
        " every fault; /docs has the schema."
    )
    return ProblemResponse(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, extensions={"errors": faults}
    )


def internal_problem() -> ProblemResponse:
    """Return the answer to a fault of our own; it says nothing about its cause."""
    return ProblemResponse(
        500, "internal", "AgentGuard met an error of its own; its log has the cause."
    )


class LastResort:
    """ASGI middleware.

    Whatever escapes the application is logged and answered with a problem that tells nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        # The outermost frame of a request.
        except Exception:
            log.exception("request_crashed", path=scope["path"])
            if started:
                raise
            await internal_problem()(scope, receive, send)


def _details(status: HTTPStatus, request: Request, detail: str) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return f"There is nothing at {request.url.path!r}. /docs lists what there is."
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not possible at {request.url.path!r}. /docs lists what is."
    return detail
