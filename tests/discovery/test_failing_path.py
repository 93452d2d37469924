"""The failing path leads from the entry to the first cause, by recorded parents."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.failing_path import (
    FailingPath,
    SpanOutcomes,
    TraceOutcome,
    failing_path,
)

WRAPPER, AGENT, TOOL, MODEL = range(4)


def outcomes(*spans: tuple, orphans: frozenset[int] = frozenset()) -> SpanOutcomes:
    """Return a tree of (parent, failed, kind, name, start, end)."""
    parent, failed, kind, callee, start, end = zip(*spans, strict=True)
    codes = {name: code for code, name in enumerate(dict.fromkeys(callee))}
    return SpanOutcomes(
        np.array(parent),
        np.isin(np.arange(len(spans)), list(orphans)),
        np.array(failed, np.bool_),
        np.array(start),
        np.array(end),
        np.array([codes[name] for name in callee]),
        np.array(kind),
        np.array(kind) == WRAPPER,
    )


def test_a_trace_without_failures_has_no_path():
    found = failing_path(outcomes((-1, False, AGENT, "a", 1, 9), (0, False, TOOL, "t", 2, 3)))

    assert found == FailingPath(TraceOutcome.SUCCEEDED)


def test_the_path_goes_through_wrappers_that_record_no_failure():
    found = failing_path(
        outcomes(
            (-1, True, AGENT, "a", 1, 9),
            (0, False, WRAPPER, "chain", 2, 8),
            (1, True, TOOL, "t", 3, 4),
        )
    )

    assert (found.outcome, found.rows) == (TraceOutcome.FAILED, (0, 1, 2))


def test_an_attempt_that_a_retry_made_good_is_not_the_cause():
    found = failing_path(
        outcomes(
            (-1, True, AGENT, "a", 1, 90),
            (0, True, TOOL, "search", 2, 3),
            (0, False, TOOL, "search", 4, 5),
            (0, True, MODEL, "gpt", 6, 7),
        )
    )

    assert found.rows == (0, 3)


def test_an_attempt_that_a_fallback_of_the_same_kind_made_good_is_not_the_cause():
    found = failing_path(
        outcomes(
            (-1, True, AGENT, "a", 1, 90),
            (0, True, MODEL, "gpt", 2, 3),
            (0, False, MODEL, "claude", 4, 5),
            (0, True, TOOL, "pay", 6, 7),
        )
    )

    assert found.rows == (0, 3)


def test_of_two_lasting_failures_the_first_is_the_cause():
    found = failing_path(
        outcomes(
            (-1, True, AGENT, "a", 1, 90),
            (0, True, MODEL, "gpt", 2, 3),
            (0, True, MODEL, "claude", 4, 5),
        )
    )

    assert found.rows == (0, 1)


def test_a_failure_below_a_span_that_succeeded_was_absorbed_there():
    found = failing_path(
        outcomes(
            (-1, False, AGENT, "a", 1, 90),
            (0, False, AGENT, "b", 2, 50),
            (1, True, TOOL, "t", 3, 4),
        )
    )

    assert found == FailingPath(TraceOutcome.ABSORBED, (0, 1, 2), absorbed_by=1)


def test_a_part_without_a_stored_parent_that_failed_is_no_failure_of_the_entry():
    found = failing_path(
        outcomes(
            (-1, False, AGENT, "a", 1, 90), (-1, True, TOOL, "t", 0, 4), orphans=frozenset({1})
        )
    )

    assert found == FailingPath(TraceOutcome.PARTLY_FAILED, (1,))


def test_a_chain_of_100_000_failed_spans_ends_in_the_lowest():
    size = 100_000
    chain = outcomes(*((row - 1, True, AGENT, "a", row, 2 * size - row) for row in range(size)))

    assert failing_path(chain).rows == tuple(range(size))


@st.composite
def trees(draw) -> SpanOutcomes:
    size = draw(st.integers(1, 30))
    spans = []
    for row in range(size):
        start = draw(st.integers(0, 50))
        spans.append(
            (
                draw(st.integers(-1, row - 1)),
                draw(st.booleans()),
                draw(st.sampled_from((WRAPPER, AGENT, TOOL, MODEL))),
                draw(st.sampled_from("abc")),
                start,
                start + draw(st.integers(0, 20)),
            )
        )
    tops = [row for row, span in enumerate(spans) if span[0] < 0]
    return outcomes(*spans, orphans=frozenset(draw(st.sets(st.sampled_from(tops)))))


@given(spans=trees())
def test_a_path_is_a_chain_of_parents_from_a_top_to_a_failed_span_without_failed_calls(spans):
    found = failing_path(spans)

    assert bool(found.rows) == bool(spans.failed.any())
    if not found.rows:
        return
    *above, cause = found.rows
    assert spans.failed[cause]
    assert spans.parent[found.rows[0]] == -1
    assert [int(spans.parent[row]) for row in found.rows[1:]] == above
    below = np.flatnonzero(spans.parent == cause)
    assert not spans.failed[below].any()
    if found.absorbed_by is not None:
        assert not spans.failed[found.absorbed_by]
        assert found.absorbed_by in above
    if found.outcome is TraceOutcome.FAILED:
        assert spans.failed[found.rows[0]]
