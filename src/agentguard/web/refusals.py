"""Notes refused requests for the audit log: where from and of which kind, never what was sent."""

from __future__ import annotations

from starlette.types import Scope

from agentguard.accounts.principal import PermissionDeniedError
from agentguard.audit.refused_access import RefusedAccess
from agentguard.kernel.errors import AgentGuardError
from agentguard.web.limits import client_of

_ROUTES = {
    "/api/auth/": "auth",
    "/api/": "api",
    "/v1/": "otlp",
    "/opentelemetry.": "otlp-grpc",
    "/log/": "log",
    "/metrics": "metrics",
}
"""The beginning of a path → the kind of route."""


def note_refusal(refused: RefusedAccess, scope: Scope, error: AgentGuardError) -> None:
    """Count a refused request, so that the audit log can tell of it; `error` is the reason."""
    reason = str(error.code)
    if isinstance(error, PermissionDeniedError):
        reason += f": {error.permission.value}"
    refused.note(client_of(scope), reason, _route(str(scope.get("path", ""))))


def _route(path: str) -> str:
    return next((kind for start, kind in _ROUTES.items() if path.startswith(start)), "other")
