"""The demonstration's evidence: an exported audit entry, verified without the database."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from agentguard.audit.keys import VerifierKey
from agentguard.audit.store import EntryFilter
from agentguard.audit.verification import CheckName, Outcome, Report, Trust, verify_bundle
from agentguard.bootstrap.audit_keys import verifier_of
from agentguard.cli.opening import ask, change
from agentguard.kernel.errors import UnavailableError
from agentguard.settings import Settings

_WAIT_SECONDS = 20.0


class NoEvidenceError(UnavailableError):
    """The entry of the demonstration is not in the audit log."""

    code = "no-demo-evidence"


@dataclass(frozen=True, slots=True)
class Evidence:
    """An exported entry, and what its verification found."""

    index: int
    action: str
    bundle: Path
    key: Path
    report: Report

    @property
    def anchor(self) -> str:
        """What is known of an anchor on a chain."""
        return next(c.detail for c in self.report.checks if c.name is CheckName.ANCHOR)


def exported(settings: Settings, action: str) -> Evidence:
    """Export the newest entry of this action into the data directory, and verify the file.

    Raises NoEvidenceError if the entry is not sequenced in time, or if a check fails.
    """
    index = _newest(settings, action)
    key = ask(settings, verifier_of)
    bundle = settings.data_dir / f"{action}-{index}.tlog-proof"
    key_file = settings.data_dir / "audit-log.key"
    bundle.write_bytes(ask(settings, lambda app: app.audit.bundle(index, key)).encode())
    key_file.write_text(f"{key.encode()}\n")
    return Evidence(index, action, bundle, key_file, _verified(bundle, key))


def _newest(settings: Settings, action: str) -> int:
    """Return the entry's index once it is sequenced: by the server, or here if it has stopped."""
    give_up = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < give_up:
        page = change(settings, lambda app: app.audit.entries(EntryFilter(action=action), 1))
        for entry in page.entries:
            if entry.index is not None:
                return entry.index
        time.sleep(0.2)
    raise NoEvidenceError(
        f"The audit log shows no entry {action!r} after {_WAIT_SECONDS:.0f} s. Run"
        " `agentguard audit` with this data directory to see what waits."
    )


def _verified(bundle: Path, key: VerifierKey) -> Report:
    """Return the report of the file as it was written."""
    report = verify_bundle(bundle.read_bytes(), Trust(keys=(key,)))
    if report.outcome is not Outcome.VERIFIED:
        failed = next(c for c in report.checks if c.outcome is not Outcome.VERIFIED)
        raise NoEvidenceError(
            f"{bundle} cannot be verified ({failed.name.value}: {failed.detail}). Run `agentguard"
            " audit fsck` with this data directory."
        )
    return report
