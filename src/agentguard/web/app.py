"""The web application: routes, middleware and error handlers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from agentguard.bootstrap.app import App, Serving
from agentguard.health import Checkup
from agentguard.kernel.errors import AgentGuardError
from agentguard.logs import configure_logs
from agentguard.traces.receiver import Load
from agentguard.web import documentation, sign_in_page, ui
from agentguard.web.auth import Authentication, authenticator_of
from agentguard.web.bodies import MOST_JSON_BYTES, BodyLimit
from agentguard.web.errors import (
    LastResort,
    answer_error,
    answer_http_error,
    answer_invalid_request,
)
from agentguard.web.limits import FIELDS, RateGuard
from agentguard.web.metrics import Metrics
from agentguard.web.parameters import refuse_unknown_parameters
from agentguard.web.problems import MEDIA_TYPE, Problem
from agentguard.web.response_cache import ResponseCache, shared_inputs
from agentguard.web.routes import (
    analysis,
    anchors,
    audit,
    auth,
    catalog,
    columns,
    components,
    diff,
    events,
    evidence,
    graph,
    handover,
    health,
    incident_stream,
    incidents,
    jobs,
    keys,
    log,
    metrics,
    mitigations,
    notifications,
    otlp,
    playbook,
    root,
    scan,
    simulate,
    simulations,
    sso,
    traces,
    users,
)
from agentguard.web.schemas.audit import VerifyRequest
from agentguard.web.schemas.graph import GraphEvent
from agentguard.web.schemas.incidents import IncidentsEvent
from agentguard.web.security_headers import SecurityHeaders
from agentguard.web.state import AppState
from agentguard.web.streams import Streams
from agentguard.web.trusted_proxies import TrustedProxies, networks_of

_ROUTES = (
    root,
    health,
    metrics,
    scan,
    jobs,
    graph,
    columns,
    components,
    traces,
    evidence,
    diff,
    analysis,
    mitigations,
    events,
    catalog,
    simulate,
    simulations,
    incident_stream,  # before the path of one incident
    incidents,
    notifications,
    playbook,
    handover,
    anchors,
    audit,
    auth,
    keys,
    users,
    log,
)
_MODELS = (Problem, GraphEvent, IncidentsEvent, VerifyRequest)
"""Models that no route has as its response or parameter."""
_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def create_app(app: App, *, process: str | None = None) -> FastAPI:
    """Return the web application over an application opened with `serving=True`.

    The caller opens that one before and closes it afterwards. `process` names this process where
    several serve one address.
    """
    if app.serving is None:
        raise ValueError("The web application needs an application opened with serving=True.")
    if not structlog.is_configured():
        configure_logs(debug=app.settings.debug)
    api = new_api(_middleware(app, app.serving))
    scanning = Load(
        app.settings.scan_max_requests,
        app.settings.scan_max_requests * app.settings.max_upload_bytes,
    )
    responses, streams = ResponseCache(app.cache, shared_inputs(app)), Streams(app.notices)
    metrics, checkup = Metrics(app.serving, process), Checkup(app.parts)
    api.state.agentguard = AppState(
        app, app.serving, metrics, scanning, checkup, responses, streams
    )
    return api


def new_api(middleware: Sequence[Middleware] = ()) -> FastAPI:
    """Return the routes without an application, for generating the OpenAPI document."""
    api = _Api(
        title="AgentGuard",
        version=root.VERSION,
        summary="Find, understand and simulate the failures of multi-agent systems.",
        openapi_url=None,  # documentation.py has routes for these
        docs_url=None,
        redoc_url=None,
        middleware=middleware,
        exception_handlers={
            AgentGuardError: answer_error,
            HTTPException: answer_http_error,
            RequestValidationError: answer_invalid_request,
        },
    )
    api.include_router(ui.router)  # before the root: browsers get the page there
    known_parameters = [Depends(refuse_unknown_parameters)]
    for module in _ROUTES:
        api.include_router(module.router, responses=_PROBLEM, dependencies=known_parameters)
    api.include_router(otlp.router, dependencies=known_parameters)
    api.include_router(sso.router, responses=_PROBLEM)  # providers add parameters of their own
    api.include_router(documentation.router)
    api.include_router(sign_in_page.router)
    api.webhooks.include_router(notifications.sent)
    return api


class _Api(FastAPI):
    """FastAPI, with problem documents in place of its own error schemas."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _with_problems(super().openapi())
        return self.openapi_schema


def _with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for model in _MODELS:
        document = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= document.pop("$defs", {}) | {model.__name__: document}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in schema["paths"].values():
        for operation in path.values():
            if "422" in operation["responses"]:
                operation["responses"]["422"] = _PROBLEM["default"]
    for path in schema["webhooks"].values():
        for operation in path.values():
            del operation["responses"]["422"]  # of ours, not of the receivers
    return schema


def _middleware(app: App, serving: Serving) -> list[Middleware]:
    """Return the middleware, outermost first."""
    settings = app.settings
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Content-Encoding", "If-Match"],
        expose_headers=["ETag", "Location", "Retry-After", *FIELDS],
    )
    limit = min(settings.max_body_bytes, MOST_JSON_BYTES)
    bodies = Middleware(BodyLimit, limit=limit, except_below=("/v1/", scan.PATH))
    # After authentication: refused requests use up nobody's quota.
    inner = [Middleware(RateGuard, limits=app.limits), bodies] if app.limits else [bodies]
    authenticator = authenticator_of(app)
    authentication = Middleware(
        Authentication, authenticator=authenticator, refused=serving.refused
    )
    # A preflight request carries no credentials, so CORS answers before they are checked.
    headers = Middleware(SecurityHeaders, hsts_seconds=settings.hsts_seconds)
    proxies = Middleware(TrustedProxies, networks=networks_of(settings.trusted_proxies))
    return [proxies, headers, Middleware(LastResort), cors, authentication, *inner]
