"""A process that anchors a log until it is killed: by others, or by itself at a given moment."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from agentguard.adapters.evm.chain import EVMChain, EVMSettings, open_chain
from agentguard.adapters.sql.database import open_database
from agentguard.adapters.sql.unit_of_work import SqlUnitOfWork
from agentguard.audit.anchor_steps import ANCHORING, AnchorSteps
from agentguard.audit.anchoring import Patience
from agentguard.audit.anchoring_rounds import Anchoring, Intervals
from agentguard.audit.chain import SignedTransaction
from agentguard.audit.sequencing import Sequencer
from agentguard.kernel.clock import system_clock
from tests.evm.anchored_log import KEY

READY = "ready"
"""Printed once it begins to anchor."""


class Moment(StrEnum):
    """When the process dies."""

    BEFORE_SIGNING = "before signing"
    SIGNED = "signed, not stored"
    STORED = "stored, not sent"
    SENT = "sent, not stored"
    SEEN = "seen in a block, not stored"
    NEVER = "never"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Dying:
    """A chain whose process dies at a moment."""

    chain: EVMChain
    moment: Moment

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)

    def sign(
        self, data: bytes, nonce: int, replaced: SignedTransaction | None = None
    ) -> SignedTransaction:
        self._dies(Moment.BEFORE_SIGNING)
        signed = self.chain.sign(data, nonce, replaced)
        self._dies(Moment.SIGNED)
        return signed

    def send(self, raw: bytes) -> None:
        self._dies(Moment.STORED)
        self.chain.send(raw)
        self._dies(Moment.SENT)

    def transaction(self, tx_hash: str) -> Any:
        found = self.chain.transaction(tx_hash)
        if found is not None:
            self._dies(Moment.SEEN)
        return found

    def block(self, number: int) -> Any:
        return self.chain.block(number)

    def _dies(self, moment: Moment) -> None:
        if moment is self.moment:
            die()


@dataclass(frozen=True)
class Anchorer:
    """What the process does, as a value that can be sent to it."""

    url: str
    key: str
    folder: Path
    moment: Moment = Moment.NEVER

    def __call__(self) -> None:
        asyncio.run(self._anchor())

    async def _anchor(self) -> None:
        chain = open_chain(self.url, self.key, 30, EVMSettings())
        opened: Callable[[], Any] = lambda: Dying(chain, self.moment)  # noqa: E731
        async with open_database(self.folder, None, hurried=False) as database:
            unit_of_work = SqlUnitOfWork(database, system_clock)
            patience = Patience(stuck=0.5, resend=0.1)
            steps = AnchorSteps(unit_of_work, opened, system_clock, patience)
            anchoring = Anchoring(unit_of_work, steps, None, system_clock, Intervals(0.2, 0.01))
            print(READY, flush=True)
            while True:
                await Sequencer(unit_of_work, KEY, system_clock).run_once()
                await anchoring.run(ANCHORING)
                await asyncio.sleep(0.01)
