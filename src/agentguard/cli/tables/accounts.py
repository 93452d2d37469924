"""API keys and users."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from agentguard.cli.tables.cells import Document, faint, plural, section
from agentguard.cli.tables.rows import Rows, dispensable, names, text

_KEYS = (
    text("Id"),
    text("Prefix"),
    names("Name"),
    text("Scopes"),
    text("State"),
    text("Last used"),
    dispensable(text("Created"), 1),
    dispensable(text("Expires"), 2),
)
_USERS = (
    text("Id"),
    names("Name"),
    text("Role"),
    text("Signed in"),
    dispensable(text("Created"), 1),
    dispensable(text("With"), 2),
)
_STYLES = {"active": "green", "revoked": "red", "expired": "yellow"}


def keys_parts(document: Document) -> list[RenderableType]:
    """Return a page of keys."""
    keys = document["keys"]
    if not keys:
        return [faint("There is no API key. Create one with `agentguard keys create`.")]
    rows: list[list[str | Text]] = [
        [
            each["id"],
            each["prefix"],
            each["name"],
            ", ".join(each["scopes"]),
            Text(each["state"], style=_STYLES[each["state"]]),
            moment(each["last_used_at"]),
            moment(each["created_at"]),
            moment(each["expires_at"]),
        ]
        for each in keys
    ]
    parts: list[RenderableType] = [section(plural(len(keys), "API key"), Rows(_KEYS, rows))]
    if document["next"]:
        parts.append(faint(f"More: agentguard keys list --before {document['next']}"))
    return parts


def users_parts(document: Document) -> list[RenderableType]:
    """Return a page of users."""
    users = document["users"]
    if not users:
        return [faint("There is no user. Create one with `agentguard users create`.")]
    rows: list[list[str | Text]] = [
        [
            each["id"],
            each["name"],
            each["role"],
            moment(each["signed_in_at"]),
            moment(each["created_at"]),
            _means(each),
        ]
        for each in users
    ]
    parts: list[RenderableType] = [section(plural(len(users), "user"), Rows(_USERS, rows))]
    if document["next"]:
        parts.append(faint(f"More: agentguard users list --after {document['next']}"))
    return parts


def _means(user: Document) -> str:
    means = ["password"] if user["has_password"] else []
    return ", ".join([*means, *([user["issuer"]] if user["issuer"] else [])]) or "–"


def moment(written: str | None) -> str:
    """Return a time to the second."""
    return f"{written[:10]} {written[11:19]}" if written else "–"
