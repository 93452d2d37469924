"""GET /api/auth/sso and /api/auth/sso/callback: signing in with an identity provider."""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from agentguard.accounts.single_sign_on import (
    Attempt,
    NoRoleError,
    SingleSignOnFailedError,
    SingleSignOnService,
)
from agentguard.accounts.users import User
from agentguard.kernel.errors import NotFoundError
from agentguard.web.cookies import clear_attempt, kept_attempt, set_attempt
from agentguard.web.headers import UNCACHED
from agentguard.web.limits import client_of
from agentguard.web.permissions import PUBLIC
from agentguard.web.refusals import note_refusal
from agentguard.web.routes.auth import keep_session
from agentguard.web.state import AppState, StateOf

router = APIRouter(prefix="/api/auth/sso", tags=["accounts"])

_AFTERWARDS = "/docs"
_REDIRECT: dict[int | str, dict[str, Any]] = {
    302: {"description": "To the identity provider, or back from it."}
}


class NoProviderError(NotFoundError):
    """No identity provider is set."""

    code = "no-identity-provider"

    def __init__(self) -> None:
        super().__init__("No identity provider is set. Set AGENTGUARD_OIDC_ISSUER.")


@router.get(
    "",
    operation_id="begin_single_sign_on",
    dependencies=[PUBLIC],
    status_code=302,
    response_class=RedirectResponse,
    responses=_REDIRECT,
)
async def begin(request: Request, state: StateOf) -> Response:
    """Send the browser to the identity provider (OpenID Connect, code flow with PKCE)."""
    url, attempt = await _service(state).begin()
    response = RedirectResponse(url, 302, UNCACHED)
    set_attempt(response, request.scope, attempt.text)
    return response


@router.get(
    "/callback",
    operation_id="finish_single_sign_on",
    dependencies=[PUBLIC],
    status_code=302,
    response_class=RedirectResponse,
    responses=_REDIRECT,
)
async def finish(
    request: Request,
    state: StateOf,
    code: Annotated[str, Query(max_length=4096)] = "",
    given: Annotated[str, Query(alias="state", max_length=200)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Begin a session of the user whom the identity provider names, and leave for /docs."""
    try:
        user = await _identified(request, state, code, given, error)
    except (SingleSignOnFailedError, NoRoleError) as refusal:
        note_refusal(state.serving.refused, request.scope, refusal)
        raise
    address, issuer = (
        client_of(request.scope),
        None if user.subject is None else user.subject.issuer,
    )
    signed_in = await state.app.accounts.sign_in.begin(user, address, {"with": issuer})
    response = RedirectResponse(_AFTERWARDS, 302, UNCACHED)
    keep_session(response, request, state, signed_in)
    clear_attempt(response, request.scope)
    return response


async def _identified(request: Request, state: AppState, code: str, given: str, error: str) -> User:
    attempt = Attempt.parse(kept_attempt(request.scope) or "")
    if attempt is None or not compare_digest(given.encode(), attempt.state.encode()):
        raise SingleSignOnFailedError("this browser did not start it, or took too long")
    if error or not code:
        raise SingleSignOnFailedError("the provider did not sign you in")
    return await _service(state).finish(code, attempt)


def _service(state: AppState) -> SingleSignOnService:
    service = state.app.accounts.single_sign_on
    if service is None:
        raise NoProviderError
    return service
