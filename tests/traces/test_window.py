"""Windows of event time: what belongs to one, and how they are written."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import DocumentPayload
from agentguard.traces.window import TimeWindow, TimeWindowError, time_window
from agentguard.traces.window_parsing import parse_window
from tests.traces.spans import HOUR, NOTHING_WANTED, START

NOW = START + 1000 * HOUR
MINUTE = HOUR // 60


def spans(*given: tuple[str, str, str, int]) -> pa.Table:
    """Spans as (trace id, span id, parent id, start)."""
    found = [
        {
            "traceId": t,
            "spanId": s,
            "parentSpanId": p,
            "startTimeUnixNano": n,
            "endTimeUnixNano": n + 10,
        }
        for t, s, p, n in given
    ]
    document: dict[str, Any] = {"resourceSpans": [{"scopeSpans": [{"spans": found}]}]}
    return decode([DocumentPayload("test", document)], NOTHING_WANTED).spans


def starts(table: pa.Table) -> list[int]:
    return sorted(table.column("start").to_pylist())


def test_a_trace_counts_whole_in_the_window_in_which_it_starts() -> None:
    table = spans(("t", "a", "", 100), ("t", "b", "a", 300), ("u", "c", "", 250))

    assert starts(TimeWindow(50, 200).select(table)) == [100, 300]
    assert starts(TimeWindow(200, 400).select(table)) == [250]


def test_the_root_says_when_a_trace_starts_even_where_clocks_disagree() -> None:
    table = spans(("t", "a", "", 500), ("t", "b", "a", 90))

    assert len(TimeWindow(400, 600).select(table)) == 2
    assert len(TimeWindow(50, 100).select(table)) == 0


def test_without_its_root_a_trace_starts_with_its_earliest_span() -> None:
    table = spans(("t", "b", "lost", 300), ("t", "c", "b", 200))

    assert len(TimeWindow(200, 201).select(table)) == 2


def test_a_trace_without_any_time_belongs_to_no_window() -> None:
    assert len(TimeWindow().select(spans(("t", "a", "", 0)))) == 0


def test_spans_under_a_cut_trace_id_belong_to_the_whole_trace() -> None:
    table = spans(("ab" * 16, "a", "", 100), ("ab" * 8, "b", "a", 900))

    assert starts(TimeWindow(50, 200).select(table)) == [100, 900]


traces = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=4), min_size=1, max_size=8)


@given(traces, st.lists(st.integers(1, 41), max_size=3))
def test_windows_side_by_side_hold_every_trace_once_and_whole(
    starts_of: list[list[int]], borders: list[int]
) -> None:
    rows = [
        (f"t{n}", f"s{n}.{k}", f"s{n}.0" if k else "", at)
        for n, times in enumerate(starts_of)
        for k, at in enumerate(times)
    ]
    table = spans(*rows)
    edges = [None, *sorted(set(borders)), None]
    parts = [TimeWindow(since, until).select(table) for since, until in itertools.pairwise(edges)]
    held = [set(part.column("trace_label").to_pylist()) for part in parts]

    assert sum(map(len, parts)) == len(table)
    assert sum(map(len, held)) == len(starts_of)


@given(traces, st.integers(1, 40), st.integers(1, 41))
def test_every_trace_of_a_window_has_a_span_that_starts_in_it(
    starts_of: list[list[int]], since: int, until: int
) -> None:
    rows = [
        (f"t{n}", f"s{n}.{k}", f"s{n}.0" if k else "", at)
        for n, times in enumerate(starts_of)
        for k, at in enumerate(times)
    ]
    window = TimeWindow(since, until)
    chosen = window.select(spans(*rows))
    touching = chosen.filter(pa.array(window.contains(chosen.column("start").to_numpy())))

    assert set(touching.column("trace_label").to_pylist()) == set(
        chosen.column("trace_label").to_pylist()
    )


@pytest.mark.parametrize(
    ("asked", "window"),
    [
        ({"since": "2026-01-01T00:00:00Z"}, TimeWindow(START, None)),
        ({"since": "2026-01-01"}, TimeWindow(START, None)),
        (
            {"since": "2026-01-01T01:00:00+01:00", "until": "2026-01-01 00:00:01.5"},
            TimeWindow(START, START + 1_500_000_000),
        ),
        (
            {"until": "2026-01-01T00:00:00Z", "lookback": "15m"},
            TimeWindow(START - 15 * MINUTE, START),
        ),
        ({"lookback": "1.5h"}, TimeWindow(NOW - HOUR * 3 // 2, NOW)),
        ({"since": "2h", "until": "30m"}, TimeWindow(NOW - 2 * HOUR, NOW - 30 * MINUTE)),
        ({}, None),
    ],
)
def test_windows_are_written_as_moments_and_durations(
    asked: dict[str, str], window: TimeWindow | None
) -> None:
    assert (
        parse_window(**({"since": None, "until": None, "lookback": None} | asked), now=NOW)
        == window
    )


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"since": "yesterday"}, "Invalid `since`: 'yesterday'"),
        ({"lookback": "15"}, "Invalid `lookback`: '15'"),
        ({"lookback": "0m"}, "lookback"),
        ({"since": "1h", "lookback": "15m"}, "not both"),
        ({"since": "1h", "until": "2h"}, "`until` must be later than `since`"),
        ({"since": "1h", "until": "1h"}, "`until` must be later than `since`"),
        ({"since": "1969-01-01"}, "since"),
        ({"until": "9999999w"}, "until"),
    ],
)
def test_invalid_windows_are_rejected(asked: dict[str, str], why: str) -> None:
    with pytest.raises(TimeWindowError, match=why):
        parse_window(**({"since": None, "until": None, "lookback": None} | asked), now=NOW)


def test_a_lookback_needs_its_end() -> None:
    with pytest.raises(TimeWindowError, match="until"):
        time_window(lookback=1)
