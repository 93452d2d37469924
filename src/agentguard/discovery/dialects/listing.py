"""Documents about dialect files: which there are, and what is wrong with some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentguard.discovery.dialects.errors import InvalidDialectsError
from agentguard.discovery.dialects.users import tables_with


def dialects_document(paths: Sequence[Path]) -> dict[str, Any]:
    """Return all dialects in order of application; raise InvalidDialectsError."""
    own = {str(path) for path in paths}
    return {
        "dialects": [
            {
                "id": table["id"],
                "about": table["about"],
                "source": table["source"],
                "version": str(table["version"]),
                "rules": len(table.get("spans", ())),
                "file": name,
                "built_in": name not in own,
            }
            for name, table in tables_with(paths).items()
        ]
    }


def check_document(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the rules of each file, or the faults of all."""
    try:
        found = dialects_document(paths)["dialects"]
    except InvalidDialectsError as error:
        return {"files": [], "faults": list(error.faults)}
    files = [
        {"file": each["file"], "id": each["id"], "rules": each["rules"]}
        for each in found
        if not each["built_in"]
    ]
    return {"files": files, "faults": []}
