"""Event streams end when whoever reads them is signed out, or the key is revoked."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.types import Message, Send

from agentguard.accounts.identities import FRESH_SECONDS
from agentguard.kernel.errors import AgentGuardError, UnavailableError

_END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


class StreamGuard:
    """Sends a response; before each event of a stream it asks again whether that is allowed.

    `check` raises an AgentGuardError if it is not; while the database is unreachable, it is. Other
    responses are sent as they are.
    """

    def __init__(
        self,
        send: Send,
        check: Callable[[], Awaitable[object]],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._check, self._ticks = send, check, ticks
        self._is_stream = self._ended = False
        self._checked_at = ticks()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = Headers(raw=message.get("headers", [])).get("content-type", "")
            self._is_stream = kind.startswith("text/event-stream")
        elif self._ended:
            return
        elif self._is_stream and not await self._is_allowed():
            self._ended, message = True, _END
        await self._send(message)

    async def _is_allowed(self) -> bool:
        if self._ticks() - self._checked_at < FRESH_SECONDS:
            return True
        self._checked_at = self._ticks()
        try:
            await self._check()
        except UnavailableError:
            return True
        except AgentGuardError:
            return False
        return True
