"""What a monitor remembers, in a file, and the evidence that it keeps beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from agentguard.adapters.files.locks import exclusive
from agentguard.adapters.files.published_log import FolderNotWritableError, write_published
from agentguard.audit.canonical import canonical_json, parse_json
from agentguard.audit.errors import AuditFormatError
from agentguard.audit.keys import VerifierKey
from agentguard.audit.watching import Remembered
from agentguard.kernel.errors import ConflictError, UnavailableError

_SCHEMA = 1


class StateInUseError(ConflictError):
    """Another monitor uses the state."""

    code = "monitor-state-in-use"

    def __init__(self, path: Path) -> None:
        super().__init__(f"Another monitor uses {str(path)!r}. Stop it, or choose another --state.")


class StateUnreadableError(UnavailableError):
    """The file cannot be read."""

    code = "monitor-state-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} cannot be read: {reason}. Choose another --state.")


@dataclass(frozen=True, slots=True)
class WatchState:
    """A Memory in a JSON file."""

    path: Path

    def load(self) -> Remembered | None:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateUnreadableError(self.path, error.strerror or str(error)) from None
        part = f"state of the monitor in {str(self.path)!r}"
        members = parse_json(raw, part)
        if not isinstance(members, dict) or members.get("schema") != _SCHEMA:
            raise AuditFormatError(part, f"it is not an object of schema {_SCHEMA}")
        checkpoint, key = members.get("checkpoint"), members.get("key")
        if not isinstance(checkpoint, str) or not isinstance(key, str):
            raise AuditFormatError(part, "it has no checkpoint and key")
        notes = members.get("handovers", [])
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise AuditFormatError(part, "its handover notes are not text")
        handovers = tuple(note.encode() for note in notes)
        return Remembered(checkpoint.encode(), VerifierKey.parse(key), handovers)

    def save(self, remembered: Remembered) -> None:
        document = {
            "checkpoint": remembered.checkpoint.decode(),
            "handovers": [note.decode() for note in remembered.handovers],
            "key": remembered.key.encode(),
            "schema": _SCHEMA,
        }
        write_published(self.path, canonical_json(document) + b"\n")

    def keep(self, which: str, note: bytes) -> str:
        name = f"{self.path.name}.{sha256(note).hexdigest()[:16]}.{which}.checkpoint"
        path = self.path.with_name(name)
        if not path.exists():
            write_published(path, note)
        return str(path)


@contextmanager
def opened_state(path: Path) -> Iterator[WatchState]:
    """Yield the state, which no other process uses meanwhile.

    Raises StateInUseError, FolderNotWritableError.
    """
    lock = path.with_name(f"{path.name}.lock")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            alone = stack.enter_context(exclusive(lock))
        except OSError as error:
            raise FolderNotWritableError(lock, error.strerror or str(error)) from None
        if not alone:
            raise StateInUseError(path)
        yield WatchState(path)
