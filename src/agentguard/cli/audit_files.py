"""Files of the audit commands: keys, checkpoints and proofs that come from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agentguard.cli.messages import say
from agentguard.cli.options import Format

if TYPE_CHECKING:
    from agentguard.audit.checkpoints import Checkpoint
    from agentguard.audit.keys import VerifierKey
    from agentguard.audit.merkle import Digest


@contextmanager
def unusable_input(code: int, output_format: Format) -> Iterator[None]:
    """Say what cannot be used, and end the command with this exit code."""
    from agentguard.cli.output import print_json
    from agentguard.kernel.errors import AgentGuardError
    from agentguard.kernel.problems import problem

    try:
        yield
    except AgentGuardError as error:
        say(str(error))
        if output_format is Format.JSON:
            print_json(problem(error))
        raise typer.Exit(code) from None


def read_file(path: Path) -> bytes:
    """Return the file's content; raise InvalidInputError if it cannot be read."""
    from agentguard.kernel.errors import InvalidInputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{str(path)!r} cannot be read: {error.strerror}. Choose another path."
        ) from None


def write_file(path: Path, content: bytes) -> None:
    """Write the file; raise InvalidInputError if that fails."""
    from agentguard.kernel.errors import InvalidInputError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidInputError(
            f"{str(path)!r} cannot be written: {error.strerror}. Choose another path."
        ) from None


def keys_in(paths: Sequence[Path] | None) -> tuple[VerifierKey, ...]:
    """Return the public keys in these files, one in each. Raises AuditFormatError."""
    from agentguard.audit.keys import VerifierKey

    return tuple(
        VerifierKey.parse(read_file(path).decode("utf-8", "replace")) for path in paths or ()
    )


def checkpoint_in(path: Path | None) -> Checkpoint | None:
    """Return the checkpoint in a signed note. Raises AuditFormatError."""
    from agentguard.audit.checkpoints import SignedCheckpoint

    return None if path is None else SignedCheckpoint.parse(read_file(path)).checkpoint


def hashes_in(path: Path | None) -> tuple[Digest, ...] | None:
    """Return a consistency proof: one hash per line, in base64. Raises AuditFormatError."""
    from agentguard.audit.encoding import parse_base64
    from agentguard.audit.merkle import digest

    if path is None:
        return None
    part, lines = "consistency proof", read_file(path).decode("utf-8", "replace").splitlines()
    return tuple(digest(parse_base64(line, part), part) for line in lines)
