"""Joins anchoring with the chain and the folder of the settings."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from agentguard.adapters.files.checkpoints import FileCheckpoints
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.anchor_steps import ANCHORING, AnchorSteps
from agentguard.audit.anchoring import Patience
from agentguard.audit.anchoring_loop import ANCHORING_LEASE, AnchoringLoop
from agentguard.audit.anchoring_rounds import Anchoring, Intervals
from agentguard.audit.chain import Chain, ChainUnavailableError
from agentguard.audit.refused_access import RefusalLoop, RefusedAccess
from agentguard.audit.sequencing_loop import SequencingLoop
from agentguard.bootstrap.app import App
from agentguard.bootstrap.auditing import sequencing_loop
from agentguard.bootstrap.chain import chain_of
from agentguard.coordination.turns import Turn
from agentguard.jobs.model import JobKind
from agentguard.kernel.errors import InvalidInputError
from agentguard.settings import Settings

Run: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Works until cancelled."""


def anchoring_of(settings: Settings, unit_of_work: SqlUnitOfWork) -> Anchoring:
    """Return what anchors the log; it asks nothing yet. Raises CheckpointsInsideError."""
    intervals = Intervals(
        settings.audit_anchor_interval_seconds, settings.audit_anchor_poll_seconds
    )
    return Anchoring(
        unit_of_work,
        _steps(settings, unit_of_work),
        _folder(settings),
        unit_of_work.clock,
        intervals,
    )


class CheckpointsInsideError(InvalidInputError):
    """The folder for checkpoints is in the data directory, so one hand could change both."""

    code = "checkpoints-inside-data"

    def __init__(self, folder: Path, data_dir: Path) -> None:
        super().__init__(
            f"The folder {str(folder)!r} for checkpoints is inside the data directory"
            f" {str(data_dir)!r}. Set AGENTGUARD_AUDIT_CHECKPOINT_DIR to a folder elsewhere, which"
            " nobody who can change the data can change."
        )


def _folder(settings: Settings) -> FileCheckpoints | None:
    folder, data_dir = settings.audit_checkpoint_dir, settings.data_dir
    if folder is None:
        return None
    if folder.resolve().is_relative_to(data_dir.resolve()):
        raise CheckpointsInsideError(folder, data_dir)
    return FileCheckpoints(folder)


def _steps(settings: Settings, unit_of_work: SqlUnitOfWork) -> AnchorSteps | None:
    if settings.web3_provider_url is None or settings.web3_private_key is None:
        return None
    patience = Patience(settings.audit_anchor_stuck_seconds)
    opening = cache(partial(_chain, settings))
    return AnchorSteps(unit_of_work, opening, unit_of_work.clock, patience)


def _chain(settings: Settings) -> Chain:
    chain = chain_of(settings)
    if chain is None:
        raise ChainUnavailableError("WEB3_PROVIDER_URL and WEB3_PRIVATE_KEY are not set.")
    return chain


async def audit_loops(
    app: App, unit_of_work: SqlUnitOfWork, turn: Callable[[str], Turn], refused: RefusedAccess
) -> tuple[SequencingLoop, list[Run]]:
    """Return the loop that sequences the log, and what runs it and the log's other loops.

    Raises PackageMissingError, InvalidInputError where the chain's settings cannot be used.
    """
    sequencing = await sequencing_loop(app.settings, unit_of_work, turn)
    anchoring = await _anchoring_loop(app, turn)
    entering = RefusalLoop(refused, unit_of_work)
    return sequencing, [sequencing.run, entering.run, *([anchoring.run] if anchoring else ())]


async def _anchoring_loop(app: App, turn: Callable[[str], Turn]) -> AnchoringLoop | None:
    """Return the loop that lets anchors go on; None where there is nowhere to anchor or publish."""
    anchoring = app.anchoring
    if anchoring.steps is None and anchoring.folder is None:
        return None
    if anchoring.steps is not None:
        await anchoring.steps.open()
    submit = partial(app.jobs.submit_single, ANCHORING, JobKind.AUDIT.value, {})
    return AnchoringLoop(anchoring, turn(ANCHORING_LEASE), submit)
