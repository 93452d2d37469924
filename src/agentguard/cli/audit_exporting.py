"""Writes the proofs of all entries about an incident."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agentguard.cli.audit_files import write_file
from agentguard.cli.messages import say

if TYPE_CHECKING:
    from agentguard.audit.bundles import Bundle
    from agentguard.bootstrap.app import App


def export_incident(
    incident: str, index: int | None, output: Path | None, size: int | None, data_dir: Path | None
) -> None:
    """Write a file for each entry about the incident into the folder `output`."""
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.kernel.errors import InvalidInputError

    if index is not None or output is None:
        raise typer.BadParameter("With --incident, give --output, and no index.")

    async def proven(app: App) -> list[Bundle]:
        return await _bundles(app, incident, size)

    bundles = ask(settings_with(data_dir, None), proven)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"{str(output)!r} is no folder: {error.strerror}. Choose another path."
        ) from None
    for bundle in bundles:
        write_file(output / f"entry-{bundle.index}.tlog-proof", bundle.encode())
    say(f"Wrote {len(bundles)} entries about incident {incident} to {output}.")


async def _bundles(app: App, incident: str, size: int | None) -> list[Bundle]:
    """Return the proofs, the oldest entry first. Raises UnknownIncidentError."""
    from agentguard.bootstrap.audit_keys import public_key

    document = await app.incident_views.show(incident)
    key = await public_key(app)
    return [await app.audit.bundle(index, key, size=size) for index in document["audit_entries"]]
