"""Documents and requests about API keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agentguard.accounts.key_service import LONGEST_OVERLAP_SECONDS
from agentguard.accounts.keys import KeyState
from agentguard.accounts.names import LONGEST_NAME
from agentguard.accounts.principal import Permission
from agentguard.traces.window_parsing import LONGEST_TEXT
from agentguard.web.schemas.common import Document, Time
from agentguard.web.schemas.requests import RequestBody

Expiry = Annotated[
    str | None,
    Field(
        max_length=LONGEST_TEXT,
        description="When the key expires: ISO 8601, or in how long (12h, 90d). Null: never.",
        examples=["90d"],
    ),
]


class KeyDocument(Document):
    """An API key, without its secret."""

    id: str
    name: str
    prefix: str = Field(description="The beginning of the key.")
    scopes: list[Permission]
    state: KeyState
    created_at: Time | None
    created_by: str = Field(description="Id of the principal who created it.")
    expires_at: Time | None
    revoked_at: Time | None
    rotated_at: Time | None
    last_used_at: Time | None = Field(description="Up to 10 s old.")
    former_secret_until: Time | None = Field(
        description="Until when the secret before the last rotation is accepted."
    )


class IssuedKeyDocument(KeyDocument):
    """An API key with its secret, which is shown this once."""

    key: str = Field(description="To send as `Authorization: Bearer KEY`.")


class KeysDocument(Document):
    """A page of keys, the last created first."""

    keys: list[KeyDocument]
    next: str | None = Field(description="`before` of the next page; null after the last.")


class CreateKeyRequest(RequestBody):
    """A key to create."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, examples=["collector"])]
    scopes: Annotated[list[Permission], Field(min_length=1, max_length=len(Permission))]
    expires: Expiry = None


class RotateKeyRequest(RequestBody):
    """How a key gets another secret."""

    overlap_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=LONGEST_OVERLAP_SECONDS,
            description="For so long the former secret is accepted, too.",
        ),
    ] = 0


class ExpireKeyRequest(RequestBody):
    """When a key expires."""

    expires: Expiry
