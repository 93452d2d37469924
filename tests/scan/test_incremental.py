"""What is computed from what changed equals what is computed from all spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from agentguard.adapters.files.parts import ParquetSource, merge_parts, write_parts
from agentguard.compute.arrays import words
from agentguard.discovery.kernel import discover
from agentguard.ingest.decoding import decode
from agentguard.ingest.payloads import ProtobufPayload
from agentguard.scan import incremental
from agentguard.scan.incremental import IncrementalGraph
from agentguard.scan.pipeline import Scan, graph_of
from agentguard.traces.damage import DamagedFile, DamagedSpansError
from benchmarks.generate import Order, bodies
from tests.discovery.damaged import damaged
from tests.discovery.recordings import NAMES, dialects
from tests.discovery.test_invariance import spans_of
from tests.scan.test_pipeline import Recorder


@dataclass(frozen=True, eq=False)
class Held:
    """A source in memory."""

    spans: pa.Table

    def tables(self, traces: np.ndarray | None = None) -> Iterator[pa.Table]:
        spans = self.spans
        if traces is not None:
            spans = spans.filter(pa.array(np.isin(words(spans["trace_id"], 16)[:, 1], traces)))
        yield from (spans.slice(at, 300) for at in range(0, len(spans), 300))

    def traces_touching(self, window: object) -> np.ndarray:
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Damaged(Held):
    def tables(self, traces: np.ndarray | None = None) -> Iterator[pa.Table]:
        raise DamagedSpansError(DamagedFile("spans/x", "its checksum is wrong", None, 1, 1))


@dataclass
class Counted:
    """Counts the spans that are discovered."""

    spans: list[int] = field(default_factory=list)

    def discover(self, spans: pa.Table, *rest):
        self.spans.append(len(spans))
        return discover(spans, *rest)

    def since(self) -> list[int]:
        found, self.spans = self.spans, []
        return found


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(incremental, "discover", counted.discover)
    return counted


def full(sources: list[Held]) -> Scan:
    return graph_of((table for source in sources for table in source.tables()), dialects())


def assert_same(one: Scan, other: Scan) -> None:
    assert one.graph == other.graph
    assert one.runs.runs.equals(other.runs.runs)
    assert one.runs.calls.equals(other.runs.calls)


def generated(spans: int) -> pa.Table:
    payloads = [ProtobufPayload("body", b) for b in bodies(Order(spans, seed=3, scattered=False))]
    return decode(payloads, dialects().wanted).spans.unify_dictionaries().combine_chunks()


def cut(spans: pa.Table, count: int) -> list[Held]:
    bounds = np.linspace(0, len(spans), count + 1).astype(int)
    return [Held(spans.slice(low, high - low)) for low, high in pairwise(bounds)]


def by_start(spans: pa.Table) -> pa.Table:
    return spans.sort_by("start")


def merged(sources: list[Held]) -> Held:
    return Held(pa.concat_tables([source.spans for source in sources]))


def changed(sources: list[Held], coming: list[Held], rng: np.random.Generator) -> list[Held]:
    """Return the sources after something happened: a merge, an expiry, a repetition, an arrival."""
    match rng.integers(6):
        case 0 if len(sources) > 2:
            low, high = sorted(rng.choice(len(sources) + 1, 2, replace=False))
            return [*sources[:low], merged(sources[low:high]), *sources[high:]]
        case 1 if len(sources) > 2:
            return sources[1:]
        case 2 if sources:
            return [*sources, Held(sources[rng.integers(len(sources))].spans.slice(0, 50))]
        case 3 if sources:
            return list(rng.permutation(np.array(sources, object)))
        case _:
            return [*sources, coming.pop(0)] if coming else sources


def assert_always_the_same(coming: list[Held], rng: np.random.Generator) -> None:
    computation, sources = IncrementalGraph(dialects(), group_spans=200), [coming.pop(0)]
    for _ in range(12):
        assert_same(computation.graph(sources), full(sources))
        sources = changed(sources, coming, rng)


@pytest.mark.parametrize("seed", range(8))
def test_recordings_that_come_and_go(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spans = spans_of(tuple(rng.choice(NAMES, 6, replace=False)))
    spans = damaged(spans, rng) if seed % 2 else spans
    late = spans.take(pa.array(rng.permutation(len(spans)))) if seed % 4 < 2 else by_start(spans)

    assert_always_the_same(cut(late, 8), rng)


@pytest.mark.parametrize("seed", range(2))
def test_generated_spans_that_come_and_go(seed: int) -> None:
    assert_always_the_same(cut(by_start(generated(3_000)), 8), np.random.default_rng(seed))


def test_new_spans_change_only_the_newest_group(counted: Counted) -> None:
    sources = cut(generated(6_000), 60)
    computation = IncrementalGraph(dialects(), group_spans=1_000)
    computation.graph(sources[:50])
    everything = counted.since()
    for count in range(51, 61):
        computation.graph(sources[:count])
        once = counted.since()

        assert sum(once) <= 1_100
    assert sum(everything) == 5_000


def test_nothing_is_discovered_again_where_sources_merge_or_repeat(counted: Counted) -> None:
    sources = cut(generated(2_000), 10)
    computation = IncrementalGraph(dialects(), group_spans=500)
    first = computation.graph(sources)
    counted.since()

    again = computation.graph([merged(sources[2:7]), *sources[7:], *sources[:2]])

    assert counted.since() == []
    assert_same(again, first)


def test_an_expiry_changes_only_the_groups_of_what_expired(counted: Counted) -> None:
    sources = cut(generated(4_000), 20)
    computation = IncrementalGraph(dialects(), group_spans=500)
    computation.graph(sources)
    counted.since()

    found = computation.graph(sources[1:])

    assert 0 < sum(counted.since()) < 2_000
    assert_same(found, full(sources[1:]))


def recorded(write) -> Held:
    recorder = Recorder()
    write(recorder)
    return Held(decode([recorder.payload()], dialects().wanted).spans)


def plain_service(r: Recorder) -> None:
    r.trace = "service"
    r.span("POST /pay", r.span("call", service="shop", kind=3), kind=2, service="payment-agent")


def other_service(r: Recorder) -> None:
    for number in range(200):
        r.trace = f"other {number}"
        r.span("work", service="shop")


def agent_in_the_service(r: Recorder) -> None:
    r.trace = "agent"
    r.agent("payer", service="payment-agent")


def test_a_new_agent_changes_the_roles_of_earlier_spans_and_nothing_else(counted: Counted) -> None:
    before = [recorded(plain_service), recorded(other_service)]
    computation = IncrementalGraph(dialects(), group_spans=10)
    computation.graph(before)
    counted.since()
    sources = [*before, recorded(agent_in_the_service)]

    found = computation.graph(sources)

    assert "agent:payment-agent" in {c.id for c in full(before).graph.components}
    assert "agent:payment-agent" not in {c.id for c in found.graph.components}
    assert sum(counted.since()) < 30
    assert_same(found, full(sources))


def test_a_link_that_arrives_later_finds_its_target() -> None:
    spans = spans_of(("celery-messaging",))
    linking = np.array([bool(links) for links in spans["links"].to_pylist()])
    alone, links = (Held(spans.filter(pa.array(rows))) for rows in (~linking, linking))
    computation = IncrementalGraph(dialects(), group_spans=20)
    computation.graph([alone])

    found = computation.graph([alone, links])

    assert linking.any()
    assert found.graph.dependencies != full([alone]).graph.dependencies
    assert_same(found, full([alone, links]))


def test_where_copies_of_a_span_are_exchanged_the_one_that_stays_counts() -> None:
    spans = generated(100)
    failing = spans.set_column(
        spans.schema.get_field_index("failed"),
        spans.schema.field("failed"),
        pa.array([True] * len(spans)),
    )
    computation = IncrementalGraph(dialects())
    computation.graph([Held(spans)])

    assert_same(computation.graph([Held(failing)]), full([Held(failing)]))


def test_a_damaged_source_is_reported_and_the_others_still_have_their_graph() -> None:
    sources = cut(generated(1_000), 4)
    computation = IncrementalGraph(dialects(), group_spans=200)
    with pytest.raises(DamagedSpansError):
        computation.graph([*sources[:2], Damaged(sources[2].spans), sources[3]])

    assert_same(computation.graph(sources), full(sources))


def test_beyond_the_limit_nothing_is_kept_until_there_is_less(counted: Counted) -> None:
    sources = cut(by_start(generated(2_000)), 10)
    computation = IncrementalGraph(dialects(), most_spans=1_500, group_spans=400)
    computation.graph(sources[:7])
    counted.since()

    over = [computation.graph(sources) for _ in range(2)]
    in_full = counted.since()
    computation.graph(sources[4:])
    again, further = counted.since(), computation.graph(sources[4:])

    assert in_full == []
    assert_same(over[0], full(sources))
    assert_same(over[1], full(sources))
    assert sum(again) == 1_200
    assert counted.since() == []
    assert_same(further, full(sources[4:]))


def test_stored_parts_may_be_merged_meanwhile(tmp_path: Path) -> None:
    spans, computation = generated(1_500), IncrementalGraph(dialects(), group_spans=300)
    parts = [part for n in range(5) for part in write_parts(tmp_path, n, spans[n::5])]
    sources = [ParquetSource(part.path(tmp_path)) for part in parts]
    first = computation.graph(sources)

    together = ParquetSource(merge_parts(tmp_path, parts[:4]).path(tmp_path))

    assert_same(first, graph_of([spans], dialects()))
    assert_same(computation.graph([together, *sources[4:]]), first)


def test_no_sources_have_the_empty_graph() -> None:
    assert_same(IncrementalGraph(dialects()).graph([]), graph_of([], dialects()))
