"""A webhook that takes notifications, signed as the Standard Webhooks specification says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentguard.adapters.http.outcomes import Poster
from agentguard.adapters.http.targets import BadTargetError, parse_target
from agentguard.incidents.messages import Message, MessageKind
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.stable_json import stable_json
from agentguard.notifications.documents import message_document
from agentguard.notifications.model import Outcome
from agentguard.notifications.names import ReceiverName

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a secret (Standard Webhooks, "Signature scheme")."""


def secrets_in(text: str) -> tuple[bytes, ...]:
    """Return the secrets of a setting: one, or several separated by commas while one is replaced.

    Raises ValueError, which does not repeat any.
    """
    return tuple(_secret(part.strip()) for part in text.split(",") if part.strip())


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret is whsec_ and base64") from None
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise ValueError(f"a secret has {_SHORTEST} to {_LONGEST} bytes")
    return secret


def signature(secrets: Sequence[bytes], message_id: str, seconds: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature for each secret, the newest first."""
    signed = f"{message_id}.{seconds}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        for secret in secrets
    )


@dataclass(frozen=True, slots=True)
class Webhook:
    """A Receiver at a URL of the user's own."""

    poster: Poster
    url: str = field(repr=False)
    secrets: Sequence[bytes] = field(repr=False)
    public_url: str | None = None
    name: ReceiverName = ReceiverName.WEBHOOK
    kinds: frozenset[MessageKind] = frozenset(MessageKind)

    @property
    def host(self) -> str:
        return host_of(self.url)

    async def send(self, message: Message) -> Outcome:
        """Send it under its id, which is equal for each attempt; the time is that of sending."""
        body = stable_json(message_document(message, self.public_url))
        seconds = self.poster.clock() // NS_PER_SECOND
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signature(self.secrets, message.id, seconds, body),
        }
        return (await self.poster.post(self.url, body, headers))[0]


def host_of(url: str) -> str:
    """Return what may be shown of a URL that may be a secret."""
    try:
        return parse_target(url).authority
    except BadTargetError:
        return "an invalid URL"
