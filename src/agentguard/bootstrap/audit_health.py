"""Health of the audit log: is it sequenced, anchored and published? Nothing else depends on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agentguard.audit.anchor_standing import Standing
from agentguard.audit.service import SequencingProgress
from agentguard.bootstrap.app import App, Serving
from agentguard.health import HealthCheck
from agentguard.kernel.clock import NS_PER_SECOND
from agentguard.kernel.errors import UnavailableError

LATE_SECONDS = 60.0
"""Entries that are pending while no checkpoint was signed for so long are told."""
PATIENCE_SECONDS = 1.0
"""Less than that of health checks, whose end would make the server unready."""
_UNKNOWN = "Unknown: the database, or the folder for checkpoints, does not answer."


@dataclass(frozen=True, slots=True)
class AuditCondition:
    """What metrics and health tell about the log."""

    progress: SequencingProgress
    standing: Standing
    failing: bool
    """The last round of sequencing in this process has failed."""
    now: int

    @property
    def checkpoint_seconds(self) -> float | None:
        """Since the newest checkpoint."""
        at = self.progress.checkpoint_at
        return None if at is None else (self.now - at) / NS_PER_SECOND

    @property
    def anchored_seconds(self) -> float | None:
        """Since the block of the newest final anchor."""
        last = self.standing.last
        if last is None or last.receipt is None:
            return None
        return self.now / NS_PER_SECOND - last.receipt.anchored.block_time


async def audit_condition(app: App, serving: Serving) -> AuditCondition | None:
    """Return the condition of the log, or None if database or folder do not answer at once."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            progress, standing = await app.audit.progress(), await app.anchoring.standing(1)
    except (UnavailableError, TimeoutError):
        return None
    failing = serving.sequencing.problem is not None
    return AuditCondition(progress, standing, failing, app.anchoring.clock())


def audit_parts(app: App, serving: Serving) -> tuple[HealthCheck, ...]:
    """Return the checks of the log; what is wrong is told, but makes no server unready."""

    async def ask_log() -> str | None:
        found = await audit_condition(app, serving)
        return _UNKNOWN if found is None else log_remark(found)

    async def ask_anchors() -> str | None:
        found = await audit_condition(app, serving)
        return _UNKNOWN if found is None else anchor_remark(found.standing)

    parts = (HealthCheck("audit_log", ask_log, "See `agentguard audit`."),)
    if app.anchoring.steps is None and app.anchoring.folder is None:
        return parts
    return (*parts, HealthCheck("audit_anchors", ask_anchors, "See `agentguard audit anchor`."))


def log_remark(found: AuditCondition) -> str | None:
    """Return what the operator should know about sequencing; the log of the server has more."""
    pending, age = found.progress.pending, found.checkpoint_seconds
    if found.failing:
        return f"{pending:,} entries are pending: sequencing failed. The reason is in the log."
    if pending and age is not None and age > LATE_SECONDS:
        return f"{pending:,} entries are pending; the newest checkpoint is {age:.0f} s old."
    return None


def anchor_remark(standing: Standing) -> str | None:
    """Return what waits to be mended, by code: messages may name hosts and accounts."""
    codes = ", ".join(problem.code for problem in standing.problems)
    return f"Anchoring waits: {codes}. See `agentguard audit anchor`." if codes else None
