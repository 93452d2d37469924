"""The JSON documents about keys and users: as the API and the CLI return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from agentguard.accounts.keys import ApiKey, IssuedKey
from agentguard.accounts.principal import Permission
from agentguard.accounts.roles import PERMISSIONS
from agentguard.accounts.users import User
from agentguard.kernel.clock import timestamp

Document: TypeAlias = dict[str, Any]


def key_document(key: ApiKey, now: int) -> Document:
    """Return what is known of a key; its secret is not."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": [each.value for each in Permission if each in key.scopes],
        "state": key.state(now).value,
        "created_at": timestamp(key.created_at),
        "created_by": key.created_by,
        "expires_at": timestamp(key.expires_at or 0),
        "revoked_at": timestamp(key.revoked_at or 0),
        "rotated_at": timestamp(key.rotated_at or 0),
        "last_used_at": timestamp(key.last_used_at or 0),
        "former_secret_until": None if key.former is None else timestamp(key.former.until),
    }


def keys_document(keys: Sequence[ApiKey], now: int, limit: int) -> Document:
    """Return a page of keys; `next` is the value of `before` for the next page."""
    return {
        "keys": [key_document(key, now) for key in keys],
        "next": keys[-1].id if len(keys) == limit else None,
    }


def user_document(user: User) -> Document:
    """Return what is known of a user, without the password."""
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role.value,
        "permissions": [each.value for each in Permission if each in PERMISSIONS[user.role]],
        "has_password": user.password_hash is not None,
        "issuer": None if user.subject is None else user.subject.issuer,
        "created_at": timestamp(user.created_at),
        "created_by": user.created_by,
        "signed_in_at": timestamp(user.signed_in_at or 0),
    }


def users_document(users: Sequence[User], limit: int) -> Document:
    """Return a page of users; `next` is the value of `after` for the next page."""
    return {
        "users": [user_document(user) for user in users],
        "next": users[-1].id if len(users) == limit else None,
    }


def issued_document(issued: IssuedKey, now: int) -> Document:
    """Return a key with its token: the only document that has it."""
    return key_document(issued.key, now) | {"key": issued.token.text}
