"""GET and POST /api/users, and what is done to one user."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from agentguard.accounts.documents import user_document, users_document
from agentguard.accounts.principal import Permission
from agentguard.service_settings import secret_text
from agentguard.web.auth import ActorOf
from agentguard.web.permissions import requires
from agentguard.web.schemas.users import (
    CreateUserRequest,
    PasswordRequest,
    RoleRequest,
    UserDocument,
    UsersDocument,
)
from agentguard.web.state import DocumentResponse, StateOf

router = APIRouter(prefix="/api/users", tags=["accounts"])

_MOST_SHOWN = 200
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": UserDocument, "description": "Created."}
}

AfterParameter = Annotated[str | None, Query(description="`next` of the previous page.")]
LimitParameter = Annotated[int, Query(ge=1, le=_MOST_SHOWN, description="Users per page.")]


@router.get(
    "",
    operation_id="list_users",
    dependencies=[requires(Permission.ADMIN)],
    response_model=UsersDocument,
)
async def get_users(
    actor: ActorOf, state: StateOf, after: AfterParameter = None, limit: LimitParameter = 50
) -> Response:
    """List users, the first created first."""
    found = await state.app.accounts.users.page(actor, limit, after=after)
    return DocumentResponse(users_document(found, limit))


@router.post(
    "",
    operation_id="create_user",
    dependencies=[requires(Permission.ADMIN)],
    status_code=201,
    responses=_CREATED,
)
async def create_user(actor: ActorOf, state: StateOf, wanted: CreateUserRequest) -> Response:
    """Create a user.

    Without a password, the user signs in with the identity provider only. From the first user on,
    requests need credentials, also those from this machine.
    """
    password = secret_text(wanted.password)
    user = await state.app.accounts.users.create(actor, wanted.name, wanted.role, password)
    return DocumentResponse(user_document(user), 201)


@router.post(
    "/{user_id}/role",
    operation_id="set_user_role",
    dependencies=[requires(Permission.ADMIN)],
    response_model=UserDocument,
)
async def set_role(user_id: str, actor: ActorOf, state: StateOf, wanted: RoleRequest) -> Response:
    """Give a user, by id or name, another role: in every process within a second."""
    user = await state.app.accounts.users.set_role(actor, user_id, wanted.role)
    return DocumentResponse(user_document(user))


@router.post(
    "/{user_id}/password",
    operation_id="set_user_password",
    dependencies=[requires(Permission.ADMIN)],
    response_model=UserDocument,
)
async def set_password(
    user_id: str, actor: ActorOf, state: StateOf, wanted: PasswordRequest
) -> Response:
    """Give a user, by id or name, another password, and sign the user out everywhere."""
    password = wanted.password.get_secret_value()
    user = await state.app.accounts.users.set_password(actor, user_id, password)
    return DocumentResponse(user_document(user))


@router.post(
    "/{user_id}/sign-out",
    operation_id="sign_out_user",
    dependencies=[requires(Permission.ADMIN)],
    response_model=UserDocument,
)
async def sign_out_user(user_id: str, actor: ActorOf, state: StateOf) -> Response:
    """Sign a user, by id or name, out everywhere: end all sessions and tokens."""
    user = await state.app.accounts.users.sign_out(actor, user_id)
    return DocumentResponse(user_document(user))


@router.delete(
    "/{user_id}",
    operation_id="remove_user",
    dependencies=[requires(Permission.ADMIN)],
    response_model=UserDocument,
)
async def remove_user(user_id: str, actor: ActorOf, state: StateOf) -> Response:
    """Remove a user, by id or name, with all sessions and tokens.

    The last administrator and the last user stay.
    """
    user = await state.app.accounts.users.remove(actor, user_id)
    return DocumentResponse(user_document(user))
