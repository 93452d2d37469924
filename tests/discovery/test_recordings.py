"""The graphs of real frameworks' recordings, held against what was really there."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
import yaml

from tests.discovery.recordings import FOLDER, NAMES, found_edges, found_nodes, graph, truth

pytestmark = pytest.mark.parametrize("name", NAMES)

MISSING = {"logfire-pydantic-graph": {("mcp", "term base")}}
"""An MCP server that only its client's process shows, and no span names."""
UNNAMED = {"haystack-openinference": 2}
"""Agents that run without a name in any span: they are shown as unidentified, where truth has
nothing to hold them against.
"""


def test_every_component_is_found_and_none_is_invented(name: str) -> None:
    invented = found_nodes(name) - truth(name).nodes

    assert truth(name).nodes - found_nodes(name) == MISSING.get(name, set())
    assert len(invented) <= UNNAMED.get(name, 0), invented


NOT_TOLD = {"spring-ai-javaagent": 1}
"""Uses of a database that truth does not score: which tool made them is not in the trace."""
GAPS = {
    "ag2": {
        (("agent", "complaints host"), ("agent", "billing clerk")),
        (("agent", "complaints host"), ("agent", "kitchen lead")),
        (("agent", "kitchen lead"), ("agent", "billing clerk")),
    },
    "logfire-pydantic-graph": {(("agent", "terminologist"), ("mcp", "term base"))},
    "openai-agents-traceloop": {(("agent", "claims intake"), ("agent", "scope screener"))},
    "otel-official-manual": {(("service", "claims desk"), ("service", "assessment service"))},
}
"""Dependencies that are not found. AG2's hub: the sender stands in the envelope by an id whose name
another trace tells. OpenLLMetry draws a guardrail's agent beside the agent that it guards. Pydantic
AI names an MCP server in its model's parameters only. Between services, the agent that calls is
shown rather than its service.
"""


def test_every_dependency_is_found_and_none_is_invented(name: str) -> None:
    invented = found_edges(name).keys() - truth(name).edges.keys()

    assert truth(name).edges.keys() - found_edges(name).keys() == GAPS.get(name, set())
    assert len(invented) <= UNNAMED.get(name, 0) + NOT_TOLD.get(name, 0), invented


UNTOLD = {
    "ag2": {("agent", "complaints host"), ("agent", "kitchen lead")},
    "autogen-native": {("agent", "front desk")},
    "beeai-openinference": {("agent", "shop clerk"), ("agent", "garden advisor")},
    "crewai-traceloop": {("agent", "irrigation engineer"), ("agent", "soil analyst")},
    "dspy-openinference": {("agent", "tourguide")},
    "haystack-native": {("agent", "dispatcher"), ("agent", "customs clerk")},
    "litellm-openinference": {("agent", "press writer")},
    "llama-index-traceloop": {("agent", "triage agent"), ("agent", "reception agent")},
    "llamaindex-traceloop-library": {("agent", "librarian"), ("agent", "front desk")},
    "litellm-proxy": {("agent", "refund agent")},
    "mastra": {
        ("agent", "irrigation planner"),
        ("agent", "grape taster"),
        ("agent", "estate manager"),
    },
    "openai-agents-genai": {("agent", "booking agent")},
    "openai-agents-traceloop": {("agent", "property claims")},
    "smolagents-openinference": {("agent", "events manager"), ("agent", "catering planner")},
    "spring-ai-javaagent": {("agent", "kyc agent")},
    "vertexai-traceloop": {
        ("agent", "tracking desk"),
        ("agent", "delay analyst"),
        ("agent", "customer writer"),
    },
}
"""Owners whose counts the spans do not tell: failed calls, retries or runs without a span that was
ever exported, errors that only an answer's text tells, handoffs that no trace joins, a DSPy module
that failed before it used a tool.
"""


def test_calls_and_errors_are_counted_exactly(name: str) -> None:
    got = {
        key: (sum(d.calls for d in edges), sum(d.errors for d in edges))
        for key, edges in found_edges(name).items()
    }
    told = {
        key: counts
        for key, counts in truth(name).edges.items()
        if key[0] not in UNTOLD.get(name, ()) and key not in GAPS.get(name, ())
    }

    assert {key: got.get(key) for key in told} == told


def test_evidence_names_spans_of_the_recording(name: str) -> None:
    text = gzip.decompress((FOLDER / name / "traces.jsonl.gz").read_bytes()).decode()
    dependencies = graph(name).dependencies

    assert all(d.evidence for d in dependencies)
    assert all(e.trace_id in text and e.span_id in text for d in dependencies for e in d.evidence)


FRAMEWORKS_OWN = {
    "handoff",
    "delegate_task_to_member",
    "delegate_work_to_coworker",
    "handoff_to_agent",
    "AgentWorkflow",
    "delegate",
    "transfer_to_agent",
    "final_answer",
    "finish",
    "Agent",
    "claude_code.interaction",
}
"""Tools and workflows that a framework ships under these names."""
PLAIN_WORDS = {"producer", "dispatcher", "add", "publish", "letters"}
"""Names that the conventions' own words contain."""


def test_no_rule_names_what_belongs_to_a_recording(name: str) -> None:
    folder = Path(__file__).parents[2] / "src/agentguard/discovery"
    rules = "\n".join(
        path.read_text() for path in folder.rglob("*") if path.suffix in (".py", ".yaml")
    )
    raw = yaml.safe_load((FOLDER / name / "truth.yaml").read_text())
    own = (
        {
            entry["name"]
            for kind in ("agents", "tools", "workflows")
            for entry in raw.get(kind) or []
        }
        - FRAMEWORKS_OWN
        - PLAIN_WORDS
    )

    assert [n for n in sorted(own) if re.search(rf"(?<![\w.]){re.escape(n)}(?!\w)", rules)] == []
