"""Checks the whole audit log, with a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentguard.audit.checking import Disagreement, Progress
    from agentguard.bootstrap.app import App
    from agentguard.settings import Settings


@dataclass(slots=True)
class _Watch:
    """What the check told last, and how long it took."""

    show: Callable[[int, int], None]
    removed: int = 0
    seconds: float = 0.0
    signature: bool = False
    """Whether there was a key to check it with."""

    def tell(self, progress: Progress) -> None:
        self.show(progress.done, progress.total)
        self.removed = progress.removed


def checked(settings: Settings) -> dict[str, Any]:
    """Return the document of a check of the log."""
    from agentguard.audit.documents import check_document
    from agentguard.bootstrap.audit_keys import key_to_check, remembered_checkpoint
    from agentguard.cli.opening import ask
    from agentguard.cli.progress import counted

    async def check(app: App) -> tuple[int, tuple[Disagreement, ...]]:
        key, began = await key_to_check(app), time.perf_counter()
        watch.signature = key is not None
        found = await app.audit.check(key, watch.tell, remembered_checkpoint(settings))
        watch.seconds = time.perf_counter() - began
        return found

    with counted("Checking entries") as show:
        watch = _Watch(show)
        size, found = ask(settings, check)
    return check_document(
        size,
        found,
        removed=watch.removed,
        seconds=watch.seconds,
        signature_checked=watch.signature,
    )
