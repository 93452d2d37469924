"""`agentguard traces fsck`: checks every file of the stored spans, and sets damaged ones aside."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from agentguard.adapters.files.checking import SpanFilesCheck, check_span_files
from agentguard.adapters.files.spans import open_span_store
from agentguard.bootstrap.wiring import NoDataError
from agentguard.compute.pools import ThreadPool
from agentguard.discovery.dialects.users import dialects_with
from agentguard.kernel.clock import system_clock, timestamp
from agentguard.settings import Settings
from agentguard.traces.damage import DamagedFile
from agentguard.traces.validation import decode_accepted, make_decoder


def check_spans(settings: Settings) -> SpanFilesCheck:
    """Check all files without changing any; raises NoDataError, OSError."""
    if not settings.data_dir.is_dir():
        raise NoDataError(settings.data_dir)
    return check_span_files(settings.data_dir)


async def repair_spans(settings: Settings, found: SpanFilesCheck) -> SpanFilesCheck:
    """Set what is damaged aside, store what can be read of it, and check again.

    Segments that a running process writes are left to it. Raises OSError.
    """
    dialects = dialects_with(settings.dialects, settings.housekeeping)
    async with AsyncExitStack() as stack:
        decoders = ThreadPool(partial(make_decoder, dialects.wanted))
        stack.callback(decoders.close)
        store = await stack.enter_async_context(
            open_span_store(
                settings.data_dir,
                partial(decode_accepted, decoders),
                system_clock,
                keep_bodies=settings.keep_content,
            )
        )
        for damaged in found.damaged:
            if damaged.file.startswith("spans/"):  # compaction stores the records of segments first
                await store.set_aside(damaged)
        await store.compact()
    return check_span_files(settings.data_dir)


def fsck_document(found: SpanFilesCheck, *, repaired: bool) -> dict[str, Any]:
    """Return the document of `agentguard traces fsck --format json`."""
    return {
        "repaired": repaired,
        "parts": found.parts,
        "parts_without_checksum": found.parts_without_checksum,
        "segments": found.segments,
        "segments_in_use": found.segments_in_use,
        "damaged": [_file(each) for each in found.damaged],
        "quarantine": [_file(each) for each in found.quarantine],
    }


def _file(found: DamagedFile) -> dict[str, Any]:
    return {
        "file": found.file,
        "reason": found.reason,
        "records_lost": found.records_lost,
        "bytes": found.bytes,
        "found_at": timestamp(found.found_at),
        "quarantined_as": found.quarantined_as,
    }
