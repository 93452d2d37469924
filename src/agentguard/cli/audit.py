"""`agentguard audit`: the log of what was done, and proofs of it for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentguard.cli.audit_contract import (
    DEPLOY_EXAMPLES,
    ChainOption,
    ContractOption,
    RpcOption,
    checked_contract,
    deploy_contract,
    reader_of,
)
from agentguard.cli.command import Command, Group
from agentguard.cli.messages import say
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

if TYPE_CHECKING:
    from agentguard.audit.verification import Trust

_LIST_EXAMPLES = examples(
    "agentguard audit",
    "agentguard audit --action dataset.deleted --format json",
    "agentguard audit export 12 --output entry-12.tlog-proof",
)
_SHOW_EXAMPLES = examples("agentguard audit show 12")
_EXPORT_EXAMPLES = examples("agentguard audit export 12 --output entry-12.tlog-proof")
_VERIFY_EXAMPLES = examples(
    "agentguard audit verify entry-12.tlog-proof --key operator.key",
    "agentguard audit verify entry-12.tlog-proof --checkpoint seen-in-may.checkpoint",
    "agentguard audit verify entry-12.tlog-proof --key operator.key --rpc https://rpc.example.com",
)
_CHECK_EXAMPLES = examples("agentguard audit fsck")
_KEYS_EXAMPLES = examples("agentguard audit keys > operator.key")

app = typer.Typer(
    cls=Group, invoke_without_command=True, rich_markup_mode=None, epilog=_LIST_EXAMPLES
)

IndexArgument = Annotated[int, typer.Argument(help="Index of the entry.", min=0)]


@app.callback()
def log(
    ctx: typer.Context,
    *,
    actor: Annotated[
        str | None, typer.Option(help="Only what this principal did.", show_default=False)
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Only this, such as `scan.stored`.", show_default=False)
    ] = None,
    object_id: Annotated[
        str | None, typer.Option("--object", help="Only what was done to it.", show_default=False)
    ] = None,
    before: Annotated[
        int | None,
        typer.Option(help="Only entries before this index: the next page.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(help="Entries shown.", min=1, max=1000)] = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what was done, newest first: who, what, when and on which graph.

    Every entry is in a Merkle tree whose signed checkpoints prove that none was changed or removed
    since. `export` gives an entry with its proof to somebody who trusts neither this database nor
    this server.
    """
    if ctx.invoked_subcommand is not None:
        return
    from agentguard.audit.documents import page_document
    from agentguard.audit.store import EntryFilter
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import log_parts

    wanted = EntryFilter(actor, action, object_id, before=before)
    page = ask(settings_with(data_dir, None), lambda app: app.audit.entries(wanted, limit))
    document = page_document(page, limit)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(log_parts(shown(document)))


@app.command(cls=Command, epilog=_SHOW_EXAMPLES)
def show(
    index: IndexArgument, data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE
) -> None:
    """Show one entry with all that it holds."""
    from agentguard.audit.documents import entry_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import entry_parts

    entry = ask(settings_with(data_dir, None), lambda app: app.audit.entry(index))
    document = entry_document(entry)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(entry_parts(shown(document)))


@app.command(cls=Command, epilog=_EXPORT_EXAMPLES)
def export(
    index: IndexArgument,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write. Default: standard output.", show_default=False),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write one entry, the proof that it is in the log, and the signed checkpoint, as one file.

    The file is a C2SP tlog-proof. `agentguard audit verify` checks it without this database, and
    so does `verify.mjs` in any JavaScript runtime.
    """
    from agentguard.bootstrap.auditing import key_of
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_text

    settings = settings_with(data_dir, None)
    key = key_of(settings).verifier
    written = ask(settings, lambda app: app.audit.bundle(index, key)).encode()
    if output is None:
        print_text(written.decode())
    else:
        _write(output, written)
        say(f"Wrote entry {index} with its proof to {output}.")


@app.command(cls=Command, epilog=_VERIFY_EXAMPLES)
def verify(
    file: Annotated[Path, typer.Argument(help="File that `agentguard audit export` wrote.")],
    key: Annotated[
        Path | None,
        typer.Option(help="The log's public key, got from elsewhere.", show_default=False),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A checkpoint of the log, got from elsewhere.", show_default=False),
    ] = None,
    rpc: RpcOption = None,
    chain_id: ChainOption = None,
    contract: ContractOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check an exported entry; needs no server, database or settings.

    Exit code 0: verified, with a key or checkpoint from outside the file. 1: a check failed. 3: the
    file agrees with itself, but nothing from outside vouches for it.
    """
    from agentguard.audit.documents import report_document
    from agentguard.audit.verification import Outcome, verify_bundle
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import report_parts

    trust = replace(_trust(key, checkpoint), chain_id=chain_id, contract=checked_contract(contract))
    report = verify_bundle(_read(file), trust, chain=reader_of(rpc))
    document = report_document(report)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(report_parts(shown(document)))
    code = {Outcome.VERIFIED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKABLE: 3}[report.outcome]
    raise typer.Exit(code)


app.command("deploy-contract", cls=Command, epilog=DEPLOY_EXAMPLES)(deploy_contract)


@app.command(cls=Command, epilog=_CHECK_EXAMPLES)
def fsck(data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """Derive tree and checkpoint again from all entries, and show what differs.

    Exit code 1 if something differs. What was changed and signed again is found only by those who
    remember an older checkpoint.
    """
    from agentguard.audit.documents import check_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import check_parts

    size, found = ask(settings_with(data_dir, None), lambda app: app.audit.check())
    document = check_document(size, found)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(check_parts(shown(document)))
    raise typer.Exit(1 if found else 0)


@app.command(cls=Command, epilog=_KEYS_EXAMPLES)
def keys(data_dir: DataDirOption = None) -> None:
    """Print the public key of the log, for those who verify; give it to them by another way."""
    from agentguard.bootstrap.auditing import key_of
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_text

    print_text(f"{key_of(settings_with(data_dir, None)).verifier.encode()}\n")


def _trust(key: Path | None, checkpoint: Path | None) -> Trust:
    from agentguard.audit.checkpoints import SignedCheckpoint
    from agentguard.audit.keys import VerifierKey
    from agentguard.audit.verification import Trust

    keys = () if key is None else (VerifierKey.parse(_read(key).decode("utf-8", "replace")),)
    seen = None if checkpoint is None else SignedCheckpoint.parse(_read(checkpoint)).checkpoint
    return Trust(keys=keys, checkpoint=seen)


def _read(path: Path) -> bytes:
    from agentguard.kernel.errors import InvalidInputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"{str(path)!r} cannot be read: {error.strerror}. Choose another path."
        ) from None


def _write(path: Path, content: bytes) -> None:
    from agentguard.kernel.errors import InvalidInputError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidInputError(
            f"{str(path)!r} cannot be written: {error.strerror}. Choose another path."
        ) from None
