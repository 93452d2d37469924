from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.export.cypher import cypher
from agentguard.graph.export.dot import dot
from agentguard.graph.export.formats import MEDIA_TYPES, ExportFormat, export
from agentguard.graph.export.graphml import graphml
from agentguard.graph.export.marks import Marks
from agentguard.graph.export.mermaid import mermaid
from agentguard.graph.export.sanitizing import hidden
from agentguard.graph.model import Graph
from tests.graph.handmade import CHECKOUT, component, depends, shop

NASTY = [
    "'; MATCH (n) DETACH DELETE n; //",
    '"]; evil [label="x',
    "\\' OR \\u0027 //",
    "\\",
    "\\u0027}) DETACH DELETE c //",
    "]]><script>alert(1)</script>&amp;",
    'x"] --> y; click x "javascript:alert(1)"',
    "\x1b[31mred\x1b[0m \u202egnp.exe \r\n\t\0",
    "#quot;;",
    "é 中文 🙂",
]
names = st.one_of(
    st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
)


def two(first: str, second: str) -> Graph:
    caller = component(ComponentKind.AGENT, first, id=f"agent:{first}", services=(second,))
    callee = component(ComponentKind.TOOL, second, id=f"tool:{second}", services=(first,))
    return Graph(
        components=(caller, callee),
        dependencies=(depends(caller, callee, DependencyType.USES_TOOL, via=first or None),),
    )


def marked(first: str, second: str) -> Marks:
    owners = {f"agent:{first}": second, f"tool:{second}": first}
    return Marks(frozenset({f"agent:{first}"}), owners, frozenset({f"tool:{second}"}))


STRING = r'"(?:[^"\\\n]|\\[^\n])*"'
ATTRIBUTES = rf" \[\w+=(?:{STRING}|\w+)(?:, \w+=(?:{STRING}|\w+))*\];\n"
DOT_NODE = re.compile(rf"^  (?:  )?({STRING}){ATTRIBUTES}", re.MULTILINE)
DOT_EDGE = re.compile(rf"^  {STRING} -> {STRING}{ATTRIBUTES}", re.MULTILINE)
DOT_GRAPH = re.compile(
    r"digraph agentguard \{\n  rankdir=LR;\n"
    rf"(?:  (?:node|edge){ATTRIBUTES})*"
    rf"(?:  subgraph cluster_\d+ \{{\n    label={STRING};\n(?:    {STRING}{ATTRIBUTES})+  \}}\n)*"
    rf"(?:  {STRING}(?: -> {STRING})?{ATTRIBUTES})*\}}\n"
)
"""The part of the grammar (https://graphviz.org/doc/info/lang.html) that the writer uses."""

MERMAID_TEXT = r'"(?:[^"<>`|\[\](){}\\;]|#\d+;)*"'
MERMAID_SHAPE = "|".join(
    rf"{re.escape(opening)}{MERMAID_TEXT}{re.escape(closing)}"
    for opening, closing in (
        "[]",
        ["[[", "]]"],
        ["{{", "}}"],
        ["[(", ")]"],
        ">]",
        "()",
        ["([", "])"],
    )
)
MERMAID_LINE = re.compile(
    r"flowchart LR"
    rf"|  subgraph s\d+\[{MERMAID_TEXT}\]|  end"
    rf"|  (?:  )?n\d+(?:{MERMAID_SHAPE})"
    rf"|  n\d+ -->\|{MERMAID_TEXT}\| n\d+"
    r"|  classDef \w+ [\w:#, -]+|  class n\d+(?:,n\d+)* \w+"
)


def parse_quoted(text: str) -> list[str]:
    """The double-quoted strings of a DOT text; what stands outside of them must be plain syntax."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert re.fullmatch(r"[\w\s\[\]{}=;,>-]*", outside), outside
    return [re.sub(r"\\(.)", r"\1", s) for s in found]


def parse_cypher(text: str, *, unicode_first: bool) -> list[str]:
    """The values of all string literals, with `unicode_first` as by a reader that replaces unicode
    escapes first.
    """
    if unicode_first:
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
    joined = text.replace("' + '", "")
    outside = re.sub(r"'(?:[^'\\]|\\.)*'", "", joined, flags=re.DOTALL)
    assert re.fullmatch(r"[\w\s(){}\[\]:;,.+<>=-]*", outside), outside
    assert "DELETE" not in outside
    literals = re.findall(r"'((?:[^'\\]|\\.)*)'", joined, re.DOTALL)
    return [unescaped(s).encode("utf-16", "surrogatepass").decode("utf-16") for s in literals]


def unescaped(literal: str) -> str:
    return re.sub(
        r"\\(u[0-9a-f]{4}|.)",
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 5 else m[1],
        literal,
        flags=re.DOTALL,
    )


@pytest.mark.parametrize("language", list(ExportFormat))
@given(first=names, second=names)
def test_no_export_emits_a_character_that_a_terminal_would_act_on(language, first, second):
    text = export(two(first, second), language, marked(first, second))

    assert not [c for c in text if hidden(c) and c != "\n"]


@given(first=names, second=names)
def test_dot_strings_hold_whatever_a_name_holds(first, second):
    text = dot(two(first, second), marked(first, second))

    assert parse_quoted(text)
    assert len(DOT_NODE.findall(text)) == 2
    assert len(DOT_EDGE.findall(text)) == 1
    assert DOT_GRAPH.fullmatch(text)


@given(first=names, second=names)
def test_dot_never_makes_one_node_of_two(first, second):
    a, b = (
        component(ComponentKind.AGENT, "a", id=first),
        component(ComponentKind.AGENT, "b", id=second),
    )

    ids = DOT_NODE.findall(dot(Graph(components=(a, b))))

    assert (ids[0] == ids[1]) == (first == second)


@given(first=names, second=names)
def test_graphml_reads_back_as_the_same_graph(first, second):
    graph = two(first, second)

    read = nx.read_graphml(BytesIO(graphml(graph).encode()))

    assert len(read.nodes) == 2
    assert len(read.edges) == 1
    if all(c.isprintable() for c in first + second):
        assert set(read.nodes) == {c.id for c in graph.components}
        assert {n["name"] for _, n in read.nodes(data=True) if "name" in n} >= {first, second} - {
            ""
        }


def test_graphml_carries_the_numbers():
    read = nx.read_graphml(BytesIO(graphml(shop()).encode()))

    edge = read.edges["agent:Checkout", "tool:charge_card"]
    assert (edge["type"], edge["calls"], edge["errors"], edge["confidence"]) == (
        "uses_tool",
        10,
        3,
        0.75,
    )
    assert read.nodes["agent:Checkout"]["kind"] == "agent"


@pytest.mark.parametrize("unicode_first", [False, True])
@given(first=names, second=names)
def test_cypher_literals_give_back_every_name(unicode_first, first, second):
    values = parse_cypher(cypher(two(first, second)), unicode_first=unicode_first)

    assert values.count(f"agent:{first}") >= 2
    assert values.count(f"tool:{second}") >= 2


@given(first=names, second=names)
def test_mermaid_labels_cannot_end_early(first, second):
    lines = mermaid(two(first, second), marked(first, second)).splitlines()

    for line in lines:
        assert MERMAID_LINE.fullmatch(line), line


def test_arrows_point_from_who_depends_to_what_it_depends_on():
    assert '"agent:Checkout" -> "tool:charge_card" [label="uses_tool ×10, 3 failed"' in dot(shop())


CHECKOUT_IN_SHOP = replace(CHECKOUT, services=("shop",))
MARKS = Marks(frozenset({CHECKOUT.id}), {CHECKOUT.id: "payments"}, frozenset({CHECKOUT.id}))


def test_dot_carries_shadow_owner_single_point_kind_and_service():
    text = dot(Graph((CHECKOUT_IN_SHOP,)), MARKS)

    assert 'subgraph cluster_0 {\n    label="shop";\n    "agent:Checkout" [' in text
    assert 'label="Checkout\\nshadow agent\\nsingle point of failure\\nowner: payments"' in text
    assert 'kind="agent", service="shop", owner="payments", shadow="true", spof="true"' in text


def test_mermaid_carries_shadow_owner_single_point_kind_and_service():
    lines = mermaid(Graph((CHECKOUT_IN_SHOP,)), MARKS).splitlines()

    assert lines[1:4] == [
        '  subgraph s0["shop"]',
        '    n0["Checkout, shadow agent, single point of failure, owner: payments"]',
        "  end",
    ]
    assert lines[-3:] == ["  class n0 agent", "  class n0 shadow", "  class n0 spof"]


def test_graphml_carries_shadow_owner_single_point_kind_and_service():
    read = nx.read_graphml(BytesIO(graphml(Graph((CHECKOUT_IN_SHOP,)), MARKS).encode()))

    node = read.nodes[CHECKOUT.id]
    assert (node["kind"], node["service"], node["owner"]) == ("agent", "shop", "payments")
    assert (node["shadow"], node["spof"]) == (True, True)


def test_without_a_catalog_or_analysis_nothing_is_said_of_shadows_and_single_points():
    graph = Graph((CHECKOUT,))

    assert "shadow" not in dot(graph) + mermaid(graph) + graphml(graph)
    assert "spof" not in dot(graph) + mermaid(graph) + graphml(graph)


def test_what_runs_in_several_services_or_is_only_called_is_in_no_cluster():
    model = component(ComponentKind.MODEL, "gpt", services=("shop",))
    graph = Graph((replace(CHECKOUT, services=("a", "b")), model))

    assert "cluster" not in dot(graph)
    assert "subgraph" not in mermaid(graph)


def test_every_language_has_a_media_type():
    assert set(MEDIA_TYPES) == set(ExportFormat)


def test_long_names_are_shortened_where_they_are_only_labels():
    graph = Graph(components=(replace(CHECKOUT, name="x" * 10_000),))

    assert len(mermaid(graph)) < 200
