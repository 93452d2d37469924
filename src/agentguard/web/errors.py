"""Errors as responses: problem documents, or OTLP's form below /v1."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentguard.accounts.back_off import TooManyAttemptsError
from agentguard.kernel.errors import AgentGuardError, UnavailableError
from agentguard.kernel.problems import problem, problem_document
from agentguard.traces.store import Encoding
from agentguard.web.otlp import encoding_of, failure, failure_of
from agentguard.web.problems import RETRY_AFTER, ProblemResponse, internal_problem_response
from agentguard.web.storage import log_storage_failure, storage_failure
from agentguard.web.validation import InvalidRequestError

log = structlog.get_logger(__name__)

_OTLP_PREFIX = "/v1/"
_AUTHENTICATE = {"WWW-Authenticate": 'Bearer realm="agentguard"'}


def error_response(error: AgentGuardError, request: Request) -> Response:
    """Return the response to an error, without its cause where the error is internal."""
    headers = _AUTHENTICATE if error.status == HTTPStatus.UNAUTHORIZED else {}
    if request.url.path.startswith(_OTLP_PREFIX):
        encoding = encoding_of(request.headers) or Encoding.JSON
        return failure(encoding, failure_of(error), headers)
    log_storage_failure(error)
    if isinstance(error, TooManyAttemptsError):
        headers = {"Retry-After": str(error.seconds)}
    elif isinstance(error, UnavailableError):
        headers = RETRY_AFTER
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", code=error.code, exc_info=error)
        return internal_problem_response()
    return ProblemResponse(problem(error), headers)


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an AgentGuardError."""
    # Starlette passes the type that the handler is registered for.
    assert isinstance(error, AgentGuardError)  # noqa: S101
    return error_response(error, request)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer what routing refuses: an unknown path, a wrong method.

    OTLP exporters expect plain text for a wrong method.
    """
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    cause = storage_failure(error.__cause__) or error.__cause__
    if isinstance(cause, AgentGuardError):  # raised while FastAPI read the body
        return error_response(cause, request)
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.METHOD_NOT_ALLOWED and request.url.path.startswith(_OTLP_PREFIX):
        return PlainTextResponse(
            "405 method not allowed, supported: [POST]", status, headers={"Allow": "POST"}
        )
    code = status.phrase.lower().replace(" ", "-")
    detail = _detail(status, request, str(error.detail))
    return ProblemResponse(problem_document(status, code, detail), error.headers)


async def answer_invalid_request(_request: Request, error: Exception) -> Response:
    """Answer a request that does not match its schema; `errors` lists the first faults."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    return ProblemResponse(problem(InvalidRequestError(error.errors())))


class LastResort:
    """ASGI middleware that logs every exception that escapes the application and answers 500."""

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
        except Exception as error:
            response = _response_to(error, scope)
            if started:
                raise
            await response(scope, receive, send)


def _response_to(error: Exception, scope: Scope) -> Response:
    """Return the response to an exception that no route declares, and log it."""
    if (failure := storage_failure(error)) is not None:
        return error_response(failure, Request(scope))
    log.error("request_crashed", path=scope["path"], exc_info=error)
    return internal_problem_response()


def _detail(status: HTTPStatus, request: Request, detail: str) -> str:
    if status is HTTPStatus.NOT_FOUND:
        return f"No such path: {request.url.path!r}. /docs lists all paths."
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return (
            f"{request.url.path!r} does not support {request.method}. /docs lists the methods of"
            " each path."
        )
    return detail
