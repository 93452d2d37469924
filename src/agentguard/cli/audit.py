"""`agentguard audit`: the log of what was done, and proofs of it for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentguard.cli import audit_keys, audit_watching
from agentguard.cli.audit_anchors import ANCHOR_EXAMPLES, COSTS_EXAMPLES, anchor, costs
from agentguard.cli.audit_contract import (
    DEPLOY_EXAMPLES,
    ChainOption,
    ContractOption,
    RpcOption,
    checked_contract,
    deploy_contract,
    reader_of,
)
from agentguard.cli.audit_exporting import export_incident
from agentguard.cli.audit_files import (
    checkpoint_in,
    hashes_in,
    keys_in,
    read_file,
    unusable_input,
    write_file,
)
from agentguard.cli.audit_options import (
    ActionOption,
    ActorOption,
    BeforeOption,
    CheckpointOption,
    ConsistencyOption,
    HandoversOption,
    IncidentOption,
    IndexArgument,
    KeysOption,
    LimitOption,
    ObjectOption,
    OptionalIndex,
    SinceOption,
    SizeOption,
    UntilOption,
    WitnessesOption,
)
from agentguard.cli.command import Command, Group
from agentguard.cli.messages import say
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples

if TYPE_CHECKING:
    from agentguard.audit.bundles import Bundle
    from agentguard.bootstrap.app import App

_LIST_EXAMPLES = examples(
    "agentguard audit log",
    "agentguard audit log --action dataset.deleted --since 7d --format json",
    "agentguard audit export 12 --output entry-12.tlog-proof",
)
_SHOW_EXAMPLES = examples("agentguard audit show 12")
_EXPORT_EXAMPLES = examples(
    "agentguard audit export 12 --output entry-12.tlog-proof",
    "agentguard audit export --incident 3b1c9e52-6f0d-4c7b-9a55-0d8f4f1e2a77 --output proofs",
)
_PROOF_EXAMPLES = examples("agentguard audit proof 12")
_CONSISTENCY_EXAMPLES = examples("agentguard audit consistency 120 > since-may.consistency")
_VERIFY_EXAMPLES = examples(
    "agentguard audit verify entry-12.tlog-proof --key operator.key",
    "agentguard audit verify entry-12.tlog-proof --checkpoint seen-in-may.checkpoint --consistency"
    " since-may.consistency",
    "agentguard audit verify entry-12.tlog-proof --key operator.key --witness witness.key",
    "agentguard audit verify entry-12.tlog-proof --key operator.key --rpc https://rpc.example.com",
)
_CHECK_EXAMPLES = examples("agentguard audit fsck")


class _LogByDefault(Group):
    """Without a subcommand, `log`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if first not in self.commands and first not in ("-h", "--help"):
            args = ["log", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_LogByDefault, rich_markup_mode=None, epilog=_LIST_EXAMPLES)


@app.callback()
def audit() -> None:
    """Show what was done, prove it to others, and watch logs; without a command: `log`."""


@app.command(cls=Command, epilog=_LIST_EXAMPLES)
def log(
    *,
    actor: ActorOption = None,
    action: ActionOption = None,
    object_id: ObjectOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    before: BeforeOption = None,
    incident: IncidentOption = None,
    limit: LimitOption = 50,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show what was done, newest first: who, what, when and on which graph.

    Every entry is in a Merkle tree whose signed checkpoints prove that none was changed or removed
    since. `export` gives an entry with its proof to somebody who trusts neither this database nor
    this server.
    """
    from agentguard.audit.documents import page_document
    from agentguard.audit.store import EntryFilter
    from agentguard.cli.choices import settings_with, window_from_options
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import log_parts

    window = window_from_options(since, until, None)
    earliest, latest = (None, None) if window is None else (window.since, window.until)
    wanted = EntryFilter(actor, action, object_id, earliest, latest, before, incident)
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
    index: OptionalIndex = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write; with --incident, a folder. Default: standard output.",
            show_default=False,
        ),
    ] = None,
    size: SizeOption = None,
    incident: Annotated[
        str | None,
        typer.Option(
            help="Write every entry about this incident, each as a file of the folder --output.",
            metavar="ID",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write one entry, the proof that it is in the log, and the signed checkpoint, as one file.

    With --incident: one such file for each entry about the incident.

    If an anchor covers the entry, the checkpoint is the one that was anchored, and its receipt is
    in the file; otherwise it is the newest. The file is a C2SP tlog-proof. `agentguard audit
    verify` checks it without this database, and so does `verify.mjs` in any JavaScript runtime.
    """
    from agentguard.bootstrap.audit_keys import public_key
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_text

    if incident is not None:
        export_incident(incident, index, output, size, data_dir)
        return
    if index is None:
        raise typer.BadParameter("Give the index of an entry, or --incident.")

    async def proven(app: App) -> Bundle:
        return await app.audit.bundle(index, await public_key(app), size=size)

    bundle = ask(settings_with(data_dir, None), proven)
    if output is None:
        print_text(bundle.encode().decode())
    else:
        write_file(output, bundle.encode())
        say(f"Wrote entry {index} with its proof to {output}. {_anchored(bundle)}")


@app.command(cls=Command, epilog=_PROOF_EXAMPLES)
def proof(
    index: IndexArgument,
    size: SizeOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Show the proof that an entry is in the log: hashes, the checkpoint, and who has signed it."""
    from agentguard.audit.documents import proof_document
    from agentguard.bootstrap.audit_keys import verifier_of
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import proof_parts

    async def proven(app: App) -> dict[str, Any]:
        key = await verifier_of(app)
        bundle = await app.audit.bundle(index, key, size=size)
        return proof_document(bundle, (key, *app.witnesses))

    document = ask(settings_with(data_dir, None), proven)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(proof_parts(shown(document)))


@app.command(cls=Command, epilog=_CONSISTENCY_EXAMPLES)
def consistency(
    old: Annotated[int, typer.Argument(help="Entries of the smaller log.", min=1)],
    size: Annotated[
        int | None,
        typer.Argument(help="Entries of the larger one. Default: all.", min=1, show_default=False),
    ] = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Print the proof that the log of one size begins with that of a smaller one.

    One hash per line, for `agentguard audit verify --consistency`.
    """
    from agentguard.audit.documents import consistency_document
    from agentguard.cli.choices import settings_with
    from agentguard.cli.opening import ask
    from agentguard.cli.output import print_json, print_text

    found = ask(settings_with(data_dir, None), lambda app: app.audit.consistency(old, size))
    document = consistency_document(found)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_text("".join(f"{step}\n" for step in document["proof"]))


@app.command(cls=Command, epilog=_VERIFY_EXAMPLES)
def verify(
    file: Annotated[Path, typer.Argument(help="File that `agentguard audit export` wrote.")],
    *,
    keys: KeysOption = None,
    handovers: HandoversOption = None,
    checkpoint: CheckpointOption = None,
    consistency_file: ConsistencyOption = None,
    witnesses: WitnessesOption = None,
    rpc: RpcOption = None,
    chain_id: ChainOption = None,
    contract: ContractOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Check an exported entry; needs no server, database or settings.

    Exit code 0: verified, with a key or checkpoint from outside the file. 1: a check failed. 2: a
    file or option cannot be used. 3: the file agrees with itself, but nothing from outside vouches
    for it, or a check that was asked for could not be made.
    """
    from agentguard.audit.documents import report_document
    from agentguard.audit.verification import Outcome, Trust, verify_bundle
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import report_parts

    with unusable_input(2, output_format):  # 1 would say that a check failed
        trust = Trust(
            keys_in(keys),
            tuple(map(read_file, handovers or ())),
            checkpoint_in(checkpoint),
            hashes_in(consistency_file),
            keys_in(witnesses),
            chain_id,
            checked_contract(contract),
        )
        raw, chain = read_file(file), reader_of(rpc)
    report = verify_bundle(raw, trust, chain=chain)
    document = report_document(report)
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(report_parts(shown(document)))
    code = {Outcome.VERIFIED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKABLE: 3}[report.outcome]
    raise typer.Exit(code)


@app.command(cls=Command, epilog=_CHECK_EXAMPLES)
def fsck(data_dir: DataDirOption = None, output_format: FormatOption = Format.TABLE) -> None:
    """Derive tree and checkpoint again from all entries, and show what differs.

    Exit code 1 if something differs, 3 if there is no key to check the signature with, or if what
    entries told of removed payloads was itself removed by an earlier version. What was changed and
    signed again is found only by those who remember an older checkpoint. Reads only: a copy of the
    data, or a read-only one, will do.
    """
    from agentguard.cli.audit_check import checked
    from agentguard.cli.choices import settings_with
    from agentguard.cli.output import print_json, print_report, shown
    from agentguard.cli.tables.audit import check_parts

    document = checked(settings_with(data_dir, None))
    if output_format is Format.JSON:
        print_json(document)
    else:
        print_report(check_parts(shown(document)))
    unsigned = document["entries"] and not document["signature_checked"]
    agreed = 3 if unsigned or document["not_checkable"] else 0
    raise typer.Exit(1 if document["disagreements"] else agreed)


app.add_typer(audit_keys.app, name="keys")
app.command("deploy-contract", cls=Command, epilog=DEPLOY_EXAMPLES)(deploy_contract)
app.command(cls=Command, epilog=ANCHOR_EXAMPLES)(anchor)
app.command(cls=Command, epilog=COSTS_EXAMPLES)(costs)
app.command(cls=Command, epilog=audit_watching.MONITOR_EXAMPLES)(audit_watching.monitor)
app.command(cls=Command, epilog=audit_watching.PUBLISH_EXAMPLES)(audit_watching.publish)
app.command(cls=Command, epilog=audit_watching.COSIGN_EXAMPLES)(audit_watching.cosign)


def _anchored(bundle: Bundle) -> str:
    from agentguard.audit.chain_names import chain_name

    size, receipt = bundle.signed.checkpoint.size, bundle.receipt
    if receipt is None:
        return f"The proof is against the checkpoint of size {size:,}, which is not anchored."
    return (
        f"The proof is against the checkpoint of size {size:,}, anchored on"
        f" {chain_name(receipt.chain_id)} in transaction {receipt.tx_hash}."
    )
