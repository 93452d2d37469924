"""What earlier windows showed of failures outlives them, and counts once."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.graph.failure_history import KEPT_DAYS, before_window, merged
from agentguard.graph.runs import FAILURE_SCHEMA, PackedRuns, Runs
from agentguard.kernel.clock import NS_PER_DAY, NS_PER_HOUR
from agentguard.simulation.documents import simulation_document
from agentguard.simulation.engine import simulate
from agentguard.simulation.failures_by_hour import failures_before, failures_by_hour
from agentguard.simulation.model import Method
from tests.simulation.worlds import call, needs, record, workflow, world

PLAIN = world(needs("A", "B"), workflows=[workflow("w", "A")])
GOOD = ("w", call("A", call("B")))
SURVIVED = ("w", call("A", call("B", failed=True)))
NOT_SURVIVED = ("w", call("A", call("B", failed=True), failed=True))


def at_hour(runs: Runs, hour: int) -> Runs:
    """The same runs, that many hours later."""
    return replace(runs, runs=moved(runs.runs, hour), calls=moved(runs.calls, hour))


def moved(table: pa.Table, hours: int) -> pa.Table:
    column = pc.add(table["start"], hours * NS_PER_HOUR)
    place = table.schema.get_field_index("start")
    return table.set_column(place, table.schema.field(place), column)


def rows(*counts: tuple[int, int, int]) -> pa.Table:
    """Failures of B below A: (hour, survived, not survived)."""
    return pa.Table.from_pylist(
        [
            {
                "source": "A",
                "target": "B",
                "returns": True,
                "hour": hour * NS_PER_HOUR,
                "survived": yes,
                "not_survived": no,
            }
            for hour, yes, no in counts
        ],
        FAILURE_SCHEMA,
    )


def simulated(runs: Runs, method: Method = Method.REPLAY):
    return simulate(PLAIN, runs, ["B"], method=method)


@pytest.mark.parametrize("method", [Method.REPLAY, Method.MONTE_CARLO])
@pytest.mark.parametrize(
    ("earlier", "least", "most"), [([SURVIVED] * 3, 0, 0.2), ([NOT_SURVIVED] * 3, 9.8, 10)]
)
def test_a_window_without_failures_knows_what_earlier_ones_showed(method, earlier, least, most):
    before = failures_by_hour(PLAIN, record(earlier))
    window = at_hour(record([GOOD] * 10), 5)

    alone, informed = (
        sum(w.runs_lost for w in simulated(replace(window, failures=known), method).workflows)
        for known in (rows(), before)
    )

    assert 1 < alone < 9
    assert least <= informed <= most


def test_failures_are_counted_in_the_hour_in_which_they_ended():
    first = failures_by_hour(PLAIN, record([SURVIVED] * 2 + [NOT_SURVIVED]))
    later = failures_by_hour(PLAIN, at_hour(record([SURVIVED]), 7))

    assert first.to_pylist() == rows((0, 2, 1)).to_pylist()
    assert later.to_pylist() == rows((7, 1, 0)).to_pylist()


def test_what_the_window_shows_itself_is_not_counted_twice():
    window = at_hour(record([SURVIVED] * 4 + [GOOD] * 2), 5)
    known = merged([rows((2, 1, 0), (5, 4, 0)), failures_by_hour(PLAIN, window)])

    assumptions = simulated(replace(window, failures=known)).assumptions

    assert assumptions is not None
    [precedent] = assumptions.precedents
    assert (precedent.seen, precedent.before) == (5, 1)
    assert precedent.last_before == 2 * NS_PER_HOUR


def test_the_answer_says_how_old_the_evidence_is():
    window = at_hour(record([GOOD] * 10), 24 * 40)
    result = simulated(replace(window, failures=rows((24 * 10, 3, 0))))
    document = simulation_document(result, names={})

    assert (
        "A survived all 3 earlier failures of B, before this window, the last on 1970-01-11."
        in document["decided_by"]
    )
    [precedent] = document["assumptions"]["precedents"]
    assert precedent["before_window"] == 3
    assert precedent["last_before_window"].startswith("1970-01-11T00:00:00")


def test_a_window_without_runs_keeps_all_that_is_known():
    runs = Runs(record([]).runs, record([]).calls, rows((3, 1, 0)))

    assert len(before_window(runs)) == 1
    assert failures_before(runs)["A", "B", True].last == 3 * NS_PER_HOUR


def test_failures_are_kept_where_runs_are_packed():
    runs = replace(record([GOOD]), failures=rows((1, 2, 3)))

    assert PackedRuns.of(record([GOOD])).unpacked().failures.equals(rows())
    assert PackedRuns.of(runs).unpacked().failures.equals(rows((1, 2, 3)))


def test_after_a_year_failures_are_forgotten():
    newest = KEPT_DAYS * NS_PER_DAY // NS_PER_HOUR + 10

    found = merged([rows((9, 1, 0), (10, 1, 0), (newest, 1, 0))])

    assert sorted(h // NS_PER_HOUR for h in found["hour"].to_pylist()) == [10, newest]


counts = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3)), max_size=6)


@given(one=counts, two=counts, three=counts)
def test_counts_merge_in_any_order_and_any_number_of_times(one, two, three):
    a, b, c = (rows(*each) for each in (one, two, three))

    every = merged([a, b, c])

    assert merged([c, merged([b, a])]).equals(every)
    assert merged([every, every, b]).equals(every)
    assert len(every) == len({hour for hour, _, _ in (*one, *two, *three)})
