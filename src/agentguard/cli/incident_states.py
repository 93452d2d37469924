"""The commands that move an incident to another state."""

from __future__ import annotations

from agentguard.cli.incident_changing import move
from agentguard.cli.incident_options import EXAMPLE_ID, IdArgument, NoteOption
from agentguard.cli.options import DataDirOption, Format, FormatOption, examples
from agentguard.incidents.states import State

ACK_EXAMPLES = examples(f"agentguard incidents ack {EXAMPLE_ID} --note 'Looking at the provider'")
MITIGATE_EXAMPLES = examples(
    f"agentguard incidents mitigate {EXAMPLE_ID} --note 'Routed to the fallback'"
)
RESOLVE_EXAMPLES = examples(f"agentguard incidents resolve {EXAMPLE_ID}")
REVIEW_EXAMPLES = examples(f"agentguard incidents review {EXAMPLE_ID}")
REOPEN_EXAMPLES = examples(f"agentguard incidents reopen {EXAMPLE_ID} --note 'Errors are back'")


def ack(
    incident_id: IdArgument,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Say that you work on an incident."""
    move(incident_id, State.ACKNOWLEDGED, note, data_dir, output_format)


def mitigate(
    incident_id: IdArgument,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Say that users are no longer hit."""
    move(incident_id, State.MITIGATED, note, data_dir, output_format)


def resolve(
    incident_id: IdArgument,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Say that the cause is removed."""
    move(incident_id, State.RESOLVED, note, data_dir, output_format)


def review(
    incident_id: IdArgument,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Say that the post-mortem of a resolved incident is done."""
    move(incident_id, State.REVIEWED, note, data_dir, output_format)


def reopen(
    incident_id: IdArgument,
    note: NoteOption = None,
    data_dir: DataDirOption = None,
    output_format: FormatOption = Format.TABLE,
) -> None:
    """Open a mitigated, resolved or reviewed incident again."""
    move(incident_id, State.OPEN, note, data_dir, output_format)
