"""The way that a failure is said to travel is the one that most recorded runs show."""

from __future__ import annotations

from agentguard.scan.pipeline import scan
from agentguard.simulation.engine import simulate
from tests.discovery.recordings import dialects
from tests.scan.test_pipeline import Recorder


def test_the_commonest_way_is_shown_though_a_shorter_one_was_seen_once() -> None:
    r = Recorder()
    for trace in range(4):
        r.trace = str(trace)
        top = r.agent("top")
        if trace:
            r.model("gpt-4o", r.agent("mid", r.tool("ask", top)))
        else:
            r.model("gpt-4o", top)
    found = scan([r.payload()], dialects())

    result = simulate(found.graph, found.runs, ["model:gpt-4o"])

    ways = {c.id: [(step.target, step.source) for step in c.path] for c in result.components}
    assert ways["agent:top"] == [("model:gpt-4o", "agent:mid"), ("agent:mid", "agent:top")]
