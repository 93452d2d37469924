"""Dialect files that users add to the table that ships with the package.

Their rules come first: where a user's rule and a packaged one claim a span, the user's counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from agentguard.discovery.dialects.checking import CheckedFile, Mention, Use, check_file
from agentguard.discovery.dialects.errors import DialectFormatError, InvalidDialectsError
from agentguard.discovery.dialects.loading import (
    Dialects,
    dialects_of,
    packaged_tables,
    with_housekeeping,
)
from agentguard.ingest.attribute_selection import AttributeSelection
from agentguard.ingest.decoding import Decoder
from agentguard.ingest.numbers import numeric_attributes
from agentguard.kernel.yaml_nodes import read_text

Table = Mapping[str, Any]


@cache
def dialects_with(paths: tuple[Path, ...], housekeeping: str | None = None) -> Dialects:
    """Load the users' files and the table that ships with the package, in this order.

    Raises InvalidDialectsError with all faults of all files; `housekeeping` as in load_dialects.
    """
    return with_housekeeping(dialects_of(tables_with(paths)), housekeeping)


def tables_with(paths: Sequence[Path]) -> Mapping[str, Table]:
    """Return the tables by file, the users' first; raise InvalidDialectsError."""
    if not paths:
        return packaged_tables()
    texts: dict[str, str] = {}
    faults: list[DialectFormatError] = []
    for path in paths:
        try:
            texts[str(path)] = read_text(path, DialectFormatError)
        except DialectFormatError as fault:
            faults.append(fault)
    checked = {origin: check_file(text, origin) for origin, text in texts.items()}
    faults += [fault for found in checked.values() for fault in found.faults]
    faults += [*_taken_ids(checked), *_contradictions(checked)]
    if faults:
        raise InvalidDialectsError(faults)
    own = {origin: _table(text, origin) for origin, text in texts.items()}
    together = own | dict(packaged_tables())
    _check_keys(together, own)
    return together


def _table(text: str, origin: str) -> Table:
    """Return the table of a file that has been checked; raise InvalidDialectsError."""
    try:
        table: Table = yaml.safe_load(text)
    # Explicit tags can contradict their values, and numbers can have thousands of digits.
    except (ValueError, KeyError) as error:
        raise InvalidDialectsError(
            [DialectFormatError(origin, None, f"has an unreadable value: {error}.")]
        ) from None
    return {"about": "", "version": 1, "source": origin, **table}


def _taken_ids(checked: Mapping[str, CheckedFile]) -> Iterable[DialectFormatError]:
    taken = {table["id"]: "a dialect of AgentGuard" for table in packaged_tables().values()}
    for origin, found in checked.items():
        if found.id in taken:
            problem = f"the id {found.id!r} belongs to {taken[found.id]}. Choose another."
            yield DialectFormatError(origin, found.id_line, problem)
        elif found.id:
            taken[found.id] = origin


def _contradictions(checked: Mapping[str, CheckedFile]) -> Iterable[DialectFormatError]:
    """Yield the attributes for which a file wants a use other than the one that they have."""
    wanted = dialects_of(packaged_tables()).wanted
    uses, reductions = _uses(wanted), dict(wanted.reductions)
    for origin, found in checked.items():
        for mention in found.mentions:
            used = uses.setdefault(mention.attribute, mention.use)
            problem = _contradiction(mention, used)
            if problem is None and mention.reduction is not None:
                whole = mention.attribute in wanted.labels
                reduced = reductions.setdefault(mention.attribute, mention.reduction)
                if whole or reduced is not mention.reduction:
                    problem = (
                        f"{mention.attribute} is already"
                        f" {'kept whole' if whole else f'reduced to {reduced}'}. Leave it out."
                    )
            if problem is not None:
                yield DialectFormatError(origin, mention.line, problem)


def _uses(wanted: AttributeSelection) -> dict[str, Use]:
    kept = dict.fromkeys(wanted.labels | wanted.reductions.keys(), Use.KEPT)
    content = dict.fromkeys(wanted.content, Use.CONTENT)
    ids = dict.fromkeys(wanted.ids, Use.ID)
    return kept | ids | content | dict.fromkeys(numeric_attributes(wanted), Use.NUMBER)


def _contradiction(mention: Mention, used: Use) -> str | None:
    if mention.use is used:
        return None
    return (
        f"{mention.attribute} is {used}, so it cannot be {mention.use} too. Use another attribute,"
        " or the span's name or scope."
    )


def _check_keys(together: Mapping[str, Table], own: Mapping[str, Table]) -> None:
    """Raise InvalidDialectsError if the decoder cannot tell two attributes apart."""
    try:
        Decoder(dialects_of(together).wanted)
    except ValueError as error:
        raise InvalidDialectsError(
            [DialectFormatError(origin, None, str(error)) for origin in own]
        ) from None
