"""Too many names of one kind are counted together, and that is said."""

from __future__ import annotations

from agentguard.discovery.classification import Classifier
from agentguard.discovery.kernel import discover
from agentguard.discovery.partial import merged
from agentguard.discovery.prescan import prescan
from agentguard.graph.assembly.build import build
from agentguard.graph.assembly.cardinality import limit_cardinality
from agentguard.ingest.decoding import Decoder
from tests.discovery.recordings import dialects
from tests.scan.test_pipeline import Recorder


def many_tools() -> Recorder:
    r = Recorder()
    planner = r.agent("planner")
    for _ in range(3):
        r.tool("search", planner)
    for number in range(9):
        r.tool(f"look_up_{number}", planner)
    return r


def test_the_rarest_names_are_counted_together() -> None:
    spans = Decoder(dialects().wanted).decode([many_tools().payload()]).spans
    classifier = Classifier(dialects())
    partial = merged([discover(spans, dialects(), classifier, prescan(spans, classifier))])

    assert limit_cardinality(partial, most=4) == {"tool": 6}

    graph, _ = build([partial], {}, spans_read=len(spans), refused={})
    other = next(c for c in graph.components if c.name == "other (6)")
    tools = [c for c in graph.components if c.kind == "tool"]
    assert sum(c.invocations for c in tools) == 12
    assert (other.invocations, other.identified, other.basis.rule) == (
        6,
        False,
        "cardinality-limit",
    )
    assert next(c.invocations for c in tools if c.name == "search") == 3


def test_few_names_stay_apart() -> None:
    graph = many_tools().graph()

    assert graph.coverage.cardinality_limited == {}
    assert len([c for c in graph.components if c.kind == "tool"]) == 10


def test_the_rarest_workflows_are_counted_together() -> None:
    r = Recorder()
    for number, name in enumerate(("daily", "daily", "weekly", "weekly", *"abcdef")):
        r.trace = str(number)
        r.agent(name)
    spans = Decoder(dialects().wanted).decode([r.payload()]).spans
    classifier = Classifier(dialects())
    partial = merged([discover(spans, dialects(), classifier, prescan(spans, classifier))])

    assert limit_cardinality(partial, most=2) == {"agent": 6, "workflow": 6}

    graph, runs = build([partial], {}, spans_read=len(spans), refused={})
    assert {w.name: w.runs for w in graph.workflows} == {"daily": 2, "weekly": 2, "other (6)": 6}
    assert runs.runs.num_rows == 10
    assert len(set(runs.runs.column("workflow").to_pylist())) == 3
