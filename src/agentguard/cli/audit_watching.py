"""`agentguard audit monitor`, `publish` and `cosign`: what others see of the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli.audit_files import keys_in, read_file, unusable_input
from agentguard.cli.audit_options import (
    APIKeyOption,
    HandoversOption,
    IntervalOption,
    KeysOption,
    SourceArgument,
    StateOption,
)
from agentguard.cli.messages import say
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

if TYPE_CHECKING:
    from agentguard.audit.watching import Look

MONITOR_EXAMPLES = examples(
    "agentguard audit monitor https://agents.example.com/log --key operator.key",
    "agentguard audit monitor https://agents.example.com/log --key operator.key --interval 60",
    "agentguard audit monitor ./published --key operator.key --state seen.json",
)
PUBLISH_EXAMPLES = examples("agentguard audit publish ./published")
COSIGN_EXAMPLES = examples("agentguard audit cosign cosigned.checkpoint")


def monitor(
    source: SourceArgument,
    *,
    keys: KeysOption = None,
    handovers: HandoversOption = None,
    state: StateOption = None,
    interval: IntervalOption = None,
    api_key_file: APIKeyOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Look whether a log still extends what it showed before; needs no database and no settings.

    A log that was rewritten, cut or forked is found by anybody who keeps looking, even if it was
    signed again with its own key. The checkpoints before and after are then kept as evidence.

    Without --key, the first look trusts the key that the log itself shows.

    Exit code 0: the log is as it was, or has grown. 1: alarm. 3: it cannot be checked.
    """
    from agentguard.bootstrap.watching import opened_watcher

    with unusable_input(3, output_format):  # 1 would say that there is an alarm
        notes = tuple(read_file(path) for path in handovers or ())
        secret = None if api_key_file is None else read_file(api_key_file)
        with opened_watcher(source, state, keys_in(keys), notes, secret) as (watcher, where):
            found = _watched(watcher.look, interval, lambda look: _tell(look, where, output_format))
    raise typer.Exit(_code(found))


def publish(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to write to.", file_okay=False)
    ],
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Write the log's hashes as static files, for any web server or bucket.

    The layout is C2SP tlog-tiles: `checkpoint`, `tile/…`, and the log's key as `key`; entries are
    not published. Only what is new is written, the checkpoint last. What is published already must
    be the beginning of this log.
    """
    from agentguard.bootstrap.audit_services import publisher_of
    from agentguard.bootstrap.watching import log_folder
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_text

    async def published(app: Any) -> Any:
        return await (await publisher_of(app, log_folder(folder))).publish()

    done = ask(settings_with(data_dir, None), published)
    if output_format is Format.JSON:
        print_json({"size": done.size, "files_written": done.written})
    else:
        print_text(f"Published {done.size:,} entries to {folder}: {done.written:,} new files.\n")


def cosign(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint that a witness has cosigned, or its signatures.")
    ],
    data_dir: DataDirOption = None,
) -> None:
    """Add a witness's cosignature to a checkpoint, so that others see who has seen it.

    The witness's key must be in AGENTGUARD_AUDIT_WITNESSES.
    """
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask

    raw = read_file(file)
    signed = ask(settings_with(data_dir, None), lambda app: app.cosigning.cosign(raw))
    count = len(signed.note.signatures)
    say(f"The checkpoint of size {signed.checkpoint.size:,} now has {count} signatures.")


def _watched(
    look: Callable[[], Look], interval: float | None, tell: Callable[[Look], None]
) -> Look:
    """Look once, or until an alarm; return the last look."""
    while True:
        found = look()
        tell(found)
        if interval is None or found.alarm:
            return found
        sleep(interval)


def _tell(look: Look, state: Path, output_format: Format) -> None:
    from agentguard.audit.watch_documents import look_document
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit_watching import look_parts

    document = look_document(look, str(state))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(look_parts(shown(document)))


def _code(look: Look) -> int:
    from agentguard.audit.monitor import Finding

    if look.alarm:
        return 1
    return 3 if look.finding is Finding.NOT_CHECKABLE else 0
