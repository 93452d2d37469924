"""Exchanges with language models, one JSON file each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import structlog

from agentguard.kernel.clock import Clock
from agentguard.kernel.stable_json import stable_json
from agentguard.playbooks.model_wrappers import Exchange

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExchangeFiles:
    """Writes exchanges into a folder; files are readable by their owner alone."""

    folder: Path
    clock: Clock

    def add(self, exchange: Exchange) -> None:
        """Write one exchange; its name has the time and the hash of its content.

        Where that is not possible, the log says so, and the exchange goes on.
        """
        content = stable_json(asdict(exchange))
        try:
            self._write(content)
        except OSError as error:
            log.warning("exchange_not_recorded", folder=str(self.folder), reason=error.strerror)

    def _write(self, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{self.clock()}-{sha256(content).hexdigest()[:12]}.json"
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
