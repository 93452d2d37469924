"""Documents and requests about users, and about signing in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from agentguard.accounts.names import LONGEST_NAME
from agentguard.accounts.passwords import LONGEST, SHORTEST
from agentguard.accounts.principal import Permission, PrincipalKind
from agentguard.accounts.roles import Role
from agentguard.kernel.faults import SECRET, requirement
from agentguard.web.schemas.common import Document, Time
from agentguard.web.schemas.requests import RequestBody


def _unrepeated(value: object, handler: ValidatorFunctionWrapHandler) -> SecretStr:
    """Return the secret; the error about a wrong one does not hold it."""
    try:
        found: SecretStr = handler(value)
    except ValidationError as error:
        fault = error.errors()[0]
        kind = fault["type"].replace("too_", "string_too_")  # of characters, not of items
        told = {"fault": requirement({**fault, "type": kind})}
        raise PydanticCustomError(SECRET, "{fault}", told) from None
    return found


UserName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, examples=["ada"])]
NewPassword = Annotated[
    SecretStr,
    Field(
        min_length=SHORTEST,
        max_length=LONGEST,
        description=f"At least {SHORTEST} characters.",
    ),
    WrapValidator(_unrepeated),
]
Password = Annotated[SecretStr, Field(max_length=LONGEST), WrapValidator(_unrepeated)]


class UserDocument(Document):
    """A user, without the password."""

    id: str
    name: str
    role: Role
    permissions: list[Permission]
    has_password: bool
    issuer: str | None = Field(
        description="The identity provider that the user signs in with; null: none."
    )
    created_at: Time | None
    created_by: str = Field(description="Id of the principal who created the user.")
    signed_in_at: Time | None = Field(description="When a session last began.")


class UsersDocument(Document):
    """A page of users, the first created first."""

    users: list[UserDocument]
    next: str | None = Field(description="`after` of the next page; null after the last.")


class CreateUserRequest(RequestBody):
    """A user to create."""

    name: UserName
    role: Role
    password: NewPassword | None = None


class RoleRequest(RequestBody):
    """A user's new role."""

    role: Role


class PasswordRequest(RequestBody):
    """A user's new password."""

    password: NewPassword


class SignInRequest(RequestBody):
    """Who signs in."""

    name: UserName
    password: Password


class SetUpRequest(RequestBody):
    """The first administrator, and the token of the link that the server printed."""

    token: Annotated[SecretStr, Field(max_length=200), WrapValidator(_unrepeated)]
    name: UserName
    password: NewPassword


class ChangePasswordRequest(RequestBody):
    """The actor's own password, before and after."""

    former: Password
    password: NewPassword


class SignOutRequest(RequestBody):
    """Which sessions end."""

    everywhere: bool = False


class SessionDocument(Document):
    """A session that has begun; its cookie is in the answer's headers."""

    user: UserDocument
    csrf_token: str = Field(description="Changes need it in the header X-CSRF-Token.")
    ends_at: Time | None = Field(description="Without a request until then, the session ends.")


class TokenDocument(Document):
    """A token for scripts (RFC 6750)."""

    access_token: str = Field(description="To send as `Authorization: Bearer TOKEN`.")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")


class MeDocument(Document):
    """Who sends the request."""

    id: str = Field(description="Id of the principal.")
    kind: PrincipalKind
    permissions: list[Permission]
    user: UserDocument | None = Field(description="Null unless a user signed in.")
    csrf_token: str | None = Field(description="Null unless a session's cookie was sent.")


class SignedOutDocument(Document):
    """Which sessions have ended."""

    everywhere: bool
