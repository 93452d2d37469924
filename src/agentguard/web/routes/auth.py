"""POST /api/auth/sign-in, /token, /set-up, /sign-out and /password; GET /api/auth/me."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from agentguard.accounts.back_off import TooManyAttemptsError
from agentguard.accounts.documents import user_document
from agentguard.accounts.errors import LinkUsedError, SignInFailedError
from agentguard.accounts.principal import Permission, Principal, PrincipalKind
from agentguard.accounts.sessions import csrf_token
from agentguard.accounts.sign_in import SignedIn
from agentguard.kernel.clock import timestamp
from agentguard.web.auth import ActorOf
from agentguard.web.cookies import clear_session, session_token, set_session
from agentguard.web.headers import UNCACHED
from agentguard.web.limits import client_of
from agentguard.web.permissions import PUBLIC, requires
from agentguard.web.refusals import note_refusal
from agentguard.web.schemas.users import (
    ChangePasswordRequest,
    MeDocument,
    SessionDocument,
    SetUpRequest,
    SignedOutDocument,
    SignInRequest,
    SignOutRequest,
    TokenDocument,
)
from agentguard.web.state import AppState, DocumentResponse, StateOf

router = APIRouter(prefix="/api/auth", tags=["accounts"])

T = TypeVar("T")

_SIGNED_IN = (PrincipalKind.SESSION, PrincipalKind.SCRIPT)


@router.post(
    "/sign-in", operation_id="sign_in", dependencies=[PUBLIC], response_model=SessionDocument
)
async def sign_in(request: Request, state: StateOf, who: SignInRequest) -> Response:
    """Begin a session: a cookie, and a token that changes need in a header."""
    service = state.app.accounts.sign_in
    signing_in = service.sign_in(who.name, who.password.get_secret_value(), _address(request))
    return session_response(request, state, await _noted(request, state, signing_in))


@router.post(
    "/token", operation_id="issue_token", dependencies=[PUBLIC], response_model=TokenDocument
)
async def issue_token(request: Request, state: StateOf, who: SignInRequest) -> Response:
    """Return a short-lived token for scripts, signed (JSON Web Token)."""
    service = state.app.accounts.sign_in
    issuing = service.token(who.name, who.password.get_secret_value(), _address(request))
    token = await _noted(request, state, issuing)
    document = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": state.app.settings.token_seconds,
    }
    return DocumentResponse(document, headers=UNCACHED)


@router.post(
    "/set-up", operation_id="set_up", dependencies=[PUBLIC], response_model=SessionDocument
)
async def set_up(request: Request, state: StateOf, wanted: SetUpRequest) -> Response:
    """Create the first administrator with the one-time link of the server, and begin a session."""
    accounts = state.app.accounts
    finishing = accounts.set_up.finish(
        wanted.token.get_secret_value(), wanted.name, wanted.password.get_secret_value()
    )
    user = await _noted(request, state, finishing)
    signed_in = await accounts.sign_in.begin(user, _address(request), {"with": "set-up link"})
    return session_response(request, state, signed_in)


@router.post(
    "/sign-out",
    operation_id="sign_out",
    dependencies=[requires(Permission.READ)],
    response_model=SignedOutDocument,
)
async def sign_out(
    request: Request, actor: ActorOf, state: StateOf, which: SignOutRequest
) -> Response:
    """End this session or, with `everywhere`, all sessions and tokens of the user."""
    accounts, token = state.app.accounts, _token(request, actor)
    await accounts.sign_in.sign_out(actor, token, everywhere=which.everywhere)
    if token is not None:
        accounts.identities.forget_session(token)
    response = DocumentResponse({"everywhere": which.everywhere})
    clear_session(response, request.scope)
    return response


@router.post(
    "/password",
    operation_id="change_password",
    dependencies=[requires(Permission.READ)],
    response_model=SignedOutDocument,
)
async def change_password(
    request: Request, actor: ActorOf, state: StateOf, wanted: ChangePasswordRequest
) -> Response:
    """Change one's own password; it ends all sessions and tokens of the user."""
    changing = state.app.accounts.sign_in.change_password(
        actor,
        wanted.former.get_secret_value(),
        wanted.password.get_secret_value(),
        _address(request),
    )
    await _noted(request, state, changing)
    response = DocumentResponse({"everywhere": True})
    clear_session(response, request.scope)
    return response


@router.get(
    "/me",
    operation_id="get_me",
    dependencies=[requires(Permission.READ)],
    response_model=MeDocument,
)
async def get_me(request: Request, actor: ActorOf, state: StateOf) -> Response:
    """Return who sends the request, and what that principal may do."""
    token = _token(request, actor)
    signed_in = actor.kind in _SIGNED_IN
    user = await state.app.accounts.sign_in.user_of(actor) if signed_in else None
    document = {
        "id": actor.id,
        "kind": actor.kind.value,
        "permissions": [each.value for each in Permission if each in actor.permissions],
        "user": None if user is None else user_document(user),
        "csrf_token": None if token is None else csrf_token(token),
    }
    return DocumentResponse(document, headers=UNCACHED)


def session_response(request: Request, state: AppState, signed_in: SignedIn) -> Response:
    """Return the answer to a sign-in, with the session's cookie."""
    rules = state.app.accounts.sign_in.rules
    document = {
        "user": user_document(signed_in.user),
        "csrf_token": csrf_token(signed_in.token),
        "ends_at": timestamp(signed_in.session.ends_at(rules)),
    }
    response = DocumentResponse(document, headers=UNCACHED)
    keep_session(response, request, state, signed_in)
    return response


def keep_session(
    response: Response, request: Request, state: AppState, signed_in: SignedIn
) -> None:
    """Set the session's cookie, for as long as the session can last."""
    seconds = int(state.app.accounts.sign_in.rules.absolute_hours * 3600)
    set_session(response, request.scope, signed_in.token, seconds)


async def _noted(request: Request, state: AppState, work: Awaitable[T]) -> T:
    """Return the result of `work`; note a refused sign-in for the audit log."""
    try:
        return await work
    except (SignInFailedError, TooManyAttemptsError, LinkUsedError) as error:
        note_refusal(state.serving.refused, request.scope, error)
        raise


def _address(request: Request) -> str:
    return client_of(request.scope)


def _token(request: Request, actor: Principal) -> str | None:
    """Return the token of the session that identified the actor."""
    return session_token(request.scope) if actor.kind is PrincipalKind.SESSION else None
