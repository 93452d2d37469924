"""Descriptions of AgentGuard's own rules, shown as the basis of components and dependencies."""

from __future__ import annotations

from agentguard.discovery.partial import Proof
from agentguard.discovery.qualified_names import RULE as NAMED_WITH_SERVER
from agentguard.discovery.requested_tools import RULE as REQUESTED
from agentguard.graph.assembly.cardinality import CARDINALITY_LIMITED, MOST_NAMES
from agentguard.graph.assembly.trace_linking import SAME_CALLER

COMPONENT_RULES = {
    "service-name": (
        "AgentGuard: the service's name contains agent, bot, assistant or worker, and it has no"
        " agent spans"
    ),
    REQUESTED: "AgentGuard: requested in a model response; no tool of this service has a span",
    "encloses-loop": "AgentGuard: encloses the steps of an agent's loop",
    "trace-root": "AgentGuard: root span of the trace",
    CARDINALITY_LIMITED: (
        f"AgentGuard: more than {MOST_NAMES:,} names of one kind; the rarest are grouped"
    ),
    SAME_CALLER: "AgentGuard: the span has no model name; its caller uses only this model",
    "crosses-services": "AgentGuard: parent or child span has another service.name",
    "calls-out": "AgentGuard: the service makes calls but has no server span",
    NAMED_WITH_SERVER: (
        "AgentGuard: the tool's name begins with that of an MCP server seen in other spans"
    ),
    "mcp#server": "service.name of the MCP call's server half, or mcp.server.name",
}
DEPENDENCY_RULES = {
    Proof.ATTRIBUTE: "an attribute names caller and callee",
    Proof.STRUCTURE: "the callee's span is below the caller's",
    Proof.LINK: "a span link leads from the callee's trace to the caller's span",
    Proof.MATCH: (
        "inferred: the traces are separate, but ids, times and peer of caller and callee agree"
    ),
    Proof.SIBLING: "order in time below one parent",
    Proof.TEXT: "named in an argument of the call",
    Proof.SHAPE: "the callee's span is below the caller's; its role is by form only",
    Proof.SERVICE_NAME: "the service's name",
    Proof.ORDER: (
        "weak: the agents ran one after the other in one workflow, which may have started both"
    ),
}
