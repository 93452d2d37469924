"""The graph of span sources that come and go: only traces that changed are discovered again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agentguard.compute.arrays import words
from agentguard.discovery.classification import Classifier
from agentguard.discovery.dialects.loading import Dialects
from agentguard.discovery.facts import Answers, Facts, RecordedFacts
from agentguard.discovery.kernel import discover
from agentguard.discovery.partial import Partial
from agentguard.discovery.prescan import union
from agentguard.ingest.spans import SPAN_SCHEMA
from agentguard.scan.grouping import GROUP_SPANS, boundaries, group_of, times
from agentguard.scan.pipeline import Scan, graph_of, graph_of_partials
from agentguard.scan.summaries import Summary, Traces, combined, summarize
from agentguard.traces.spool import compacted
from agentguard.traces.store import SpanSource

I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

_MOST_SPANS = 2_000_000
"""Spans of a window whose results are kept: about 150 bytes each, so 300 MB."""
_MOST_OBSERVATIONS = 200_000
"""Maximum number of observations in memory, about 1 kB each; many only if attributes are ids."""
_MOST_SHAPES = 50_000
"""Maximum number of classifications in memory, about 1 kB each."""
_READ_TOGETHER = 250_000
"""Spans in memory while groups are discovered."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Complete traces that are discovered together."""

    traces: U64
    sources: I64
    """The numbers of the sources that hold them."""
    spans: int
    digest: int
    """The sum of the spans' digests."""

    @property
    def key(self) -> tuple[int, int, int]:
        """Return what groups of equal spans have in common, up to chance."""
        return self.digest, self.spans, len(self.traces)


@dataclass(frozen=True, slots=True)
class _Discovered:
    """The discovery of a group's spans, valid while the window's facts give the same answers."""

    partial: Partial
    answers: Answers


@dataclass(slots=True)
class IncrementalGraph:
    """Computes the graph of one set of sources after another.

    The discovery of a group of traces is used again if the group's spans are the same, whichever
    sources hold them, and if all that it asked about other spans has the same answers. Memory is
    bounded: where there are more than `most_spans`, every computation is a full one.
    """

    dialects: Dialects
    most_spans: int = _MOST_SPANS
    group_spans: int = GROUP_SPANS
    settling: int = 0
    """Nanoseconds at the end of the window whose spans may still get parents."""
    _classifier: Classifier = field(init=False)
    _sizes: dict[SpanSource, int] = field(init=False, default_factory=dict)
    _summaries: dict[SpanSource, Summary] = field(init=False, default_factory=dict)
    _boundaries: I64 = field(init=False)
    _known: dict[tuple[int, int, int], _Discovered] = field(init=False)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Free the memory; the next computation is a full one."""
        self._classifier = Classifier(self.dialects, remembered=_MOST_SHAPES)
        self._summaries, self._known = {}, {}
        self._boundaries = np.zeros(0, np.int64)

    def graph(self, sources: Sequence[SpanSource]) -> Scan:
        """Return what graph_of returns for all spans in the sources.

        CPU-bound. Raises what the sources raise; the next computation is then as good as any.
        """
        if not self._summarize(sources):
            self.forget()
            tables = self._measured(sources)
            return graph_of(tables, self.dialects, settling=self.settling)
        facts = union(self._summaries[source].facts for source in sources)
        known = self._discovered(self._groups(sources), sources, facts)
        partials = [group.partial for group in known.values()]
        observations = sum(len(partial.observations) for partial in partials)
        self._known = known if observations <= _MOST_OBSERVATIONS else {}
        read = sum(self._sizes.values())
        return graph_of_partials(partials, self.dialects, read, settling=self.settling)

    def _summarize(self, sources: Sequence[SpanSource]) -> bool:
        """Summarize the new sources; return False where there are too many spans."""
        kept = set(sources)
        self._sizes = {source: n for source, n in self._sizes.items() if source in kept}
        self._summaries = {s: summary for s, summary in self._summaries.items() if s in kept}
        for source in sources:
            if sum(self._sizes.values()) > self.most_spans:
                return False
            if source not in self._summaries:
                summary = summarize(source.tables(), self._classifier)
                self._summaries[source] = summary
                self._sizes[source] = int(summary.traces.spans.sum())
        return sum(self._sizes.values()) <= self.most_spans

    def _measured(self, sources: Iterable[SpanSource]) -> Iterator[pa.Table]:
        """Yield all spans, and note how many each source holds."""
        for source in sources:
            spans = 0
            for table in source.tables():
                spans += len(table)
                yield table
            self._sizes[source] = spans

    def _groups(self, sources: Sequence[SpanSource]) -> list[_Group]:
        parts = [self._summaries[source].traces for source in sources]
        traces, rows = combined(parts)
        time = times(traces.start, traces.word)
        self._boundaries = boundaries(time, traces.spans, self._boundaries, self.group_spans)
        group = group_of(time, self._boundaries)
        source = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        held = zip(_members(group), _members(group[rows]), strict=True)
        return [_group(traces, mine, np.unique(source[places])) for mine, places in held]

    def _discovered(
        self, groups: Sequence[_Group], sources: Sequence[SpanSource], facts: Facts
    ) -> dict[tuple[int, int, int], _Discovered]:
        known = {
            group.key: found
            for group in groups
            if (found := self._known.get(group.key)) and found.answers.hold(facts)
        }
        changed = [group for group in groups if group.key not in known]
        for group, spans in _spans(changed, sources):
            known[group.key] = self._discover(spans, facts)
        return known

    def _discover(self, spans: pa.Table, facts: Facts) -> _Discovered:
        recorded = RecordedFacts(facts)
        partial = discover(spans, self.dialects, self._classifier, recorded)
        return _Discovered(partial, recorded.answers)


def _members(codes: I64) -> list[I64]:
    """Return the rows of each code that occurs, by code."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _group(traces: Traces, rows: I64, sources: I64) -> _Group:
    spans, digest = int(traces.spans[rows].sum()), int(traces.digest[rows].sum())
    return _Group(traces.word[rows], sources, spans, digest)


def _spans(
    groups: Sequence[_Group], sources: Sequence[SpanSource]
) -> Iterator[tuple[_Group, pa.Table]]:
    """Yield each group with its spans; a source is read once for many groups."""
    for together in _batches(groups):
        spans = _read(together, sources)
        yield from [(together[0], spans)] if len(together) == 1 else _split(together, spans)


def _batches(groups: Sequence[_Group]) -> Iterator[list[_Group]]:
    batch: list[_Group] = []
    for group in groups:
        if batch and sum(each.spans for each in (*batch, group)) > _READ_TOGETHER:
            yield batch
            batch = []
        batch.append(group)
    if batch:
        yield batch


def _read(groups: Sequence[_Group], sources: Sequence[SpanSource]) -> pa.Table:
    traces = np.concatenate([group.traces for group in groups])
    numbers = np.unique(np.concatenate([group.sources for group in groups])).tolist()
    tables = [table for number in numbers for table in sources[number].tables(traces)]
    return pa.concat_tables([SPAN_SCHEMA.empty_table(), *tables])


def _split(groups: Sequence[_Group], spans: pa.Table) -> Iterator[tuple[_Group, pa.Table]]:
    spans = spans.unify_dictionaries().combine_chunks()
    traces = np.concatenate([group.traces for group in groups])
    number = np.repeat(np.arange(len(groups)), [len(group.traces) for group in groups])
    order = np.argsort(traces)
    place = np.searchsorted(traces[order], words(spans.column("trace_id"), 16)[:, 1])
    for group, rows in zip(groups, _members(number[order][place]), strict=True):
        yield group, compacted(spans.take(pa.array(rows)))
