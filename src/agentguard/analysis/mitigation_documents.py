"""The JSON document of mitigations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentguard.simulation.mitigations import Mitigation


def mitigations_document(
    found: Sequence[Mitigation], *, currency: str | None, recorded: bool
) -> dict[str, Any]:
    """Return the mitigations, what saves most first, and why there are none."""
    return {
        "mitigations": [_mitigation(m) for m in found],
        "currency": currency,
        "note": None if recorded else NOT_RECORDED,
    }


_MEMBERS = ("mitigations", "currency", "note")
NOT_RECORDED = "No run was recorded, so what a mitigation would save is unknown."


def suggested(document: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Return a document with the mitigations of an answer as its member `suggestions`."""
    return document | {"suggestions": {name: answer[name] for name in _MEMBERS}}


def _mitigation(m: Mitigation) -> dict[str, Any]:
    return {
        "kind": m.kind.value,
        "components": list(m.components),
        "owners": list(m.owners),
        "runs_saved": m.runs,
        "workflows": None if m.saved is None else dict(sorted(m.saved.items())),
        "runs_saved_at_most": m.at_most,
        "value_saved": m.value,
        "basis": m.basis,
    }
