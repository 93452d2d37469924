"""Errors about keys, users and sessions."""

from __future__ import annotations

from agentguard.kernel.errors import (
    AgentGuardError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)


class UnknownKeyError(NotFoundError):
    """There is no API key with this id."""

    code = "unknown-key"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"There is no API key {key_id!r}. `agentguard keys list` shows the ids of all keys."
        )


class KeyRevokedError(ConflictError):
    """A revoked key cannot be changed."""

    code = "key-revoked"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The API key {key_id!r} is revoked. Create another one.")


class InvalidAccountError(InvalidInputError):
    """A name, password, scope or time given for a key or user is invalid."""

    code = "invalid-account"
    status = 422


class UnknownUserError(NotFoundError):
    """There is no user with this id or name."""

    code = "unknown-user"

    def __init__(self, reference: str) -> None:
        super().__init__(f"There is no user {reference!r}. `agentguard users list` shows all.")


class NameTakenError(ConflictError):
    """Another user has the name."""

    code = "name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is already a user {name!r}. Choose another name.")


class LastAdminError(ConflictError):
    """Without this user, nobody could manage the others."""

    code = "last-admin"

    def __init__(self) -> None:
        super().__init__(
            "This is the last user with the role admin. Give that role to another user first."
        )


class LastUserError(ConflictError):
    """Without any user, requests from the server's machine could need no credentials any more."""

    code = "last-user"

    def __init__(self) -> None:
        super().__init__(
            "This is the last user. Add another one first: a server without users and keys asks"
            " nobody on its machine for credentials."
        )


class SignInFailedError(AgentGuardError):
    """Name or password is wrong; it does not say which."""

    code = "sign-in-failed"
    status = 401

    def __init__(self) -> None:
        super().__init__("Name or password is wrong.")


class NotSignedInError(ConflictError):
    """Something that only signed-in users can do was asked for with a key."""

    code = "not-signed-in"

    def __init__(self) -> None:
        super().__init__("No user is signed in. Sign in with a name and a password first.")


class LinkUsedError(ConflictError):
    """A set-up link is used, over or wrong."""

    code = "set-up-link-invalid"

    def __init__(self) -> None:
        super().__init__(
            "This set-up link was used, is too old or is wrong. While there is no user, each start"
            " of the server prints another one."
        )


class SigningInBusyError(UnavailableError):
    """Too many sign-ins at once: each needs memory."""

    code = "signing-in-busy"

    def __init__(self) -> None:
        super().__init__("Too many people sign in right now. Try again.")
