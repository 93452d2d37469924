from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentguard.discovery.kinds import ComponentKind, DependencyType
from agentguard.graph.export.formats import ExportFormat, cypher, dot, export, graphml, mermaid
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
    caller = component(ComponentKind.AGENT, first, id=f"agent:{first}")
    callee = component(ComponentKind.TOOL, second, id=f"tool:{second}")
    return Graph(
        components=(caller, callee),
        dependencies=(depends(caller, callee, DependencyType.USES_TOOL, via=first or None),),
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
    text = export(two(first, second), language)

    assert not [c for c in text if hidden(c) and c != "\n"]


@given(first=names, second=names)
def test_dot_strings_hold_whatever_a_name_holds(first, second):
    strings = parse_quoted(dot(two(first, second)))

    assert len(strings) == 13


@given(first=names, second=names)
def test_dot_never_makes_one_node_of_two(first, second):
    a, b = (
        component(ComponentKind.AGENT, "a", id=first),
        component(ComponentKind.AGENT, "b", id=second),
    )

    ids = re.findall(r'^  ("(?:[^"\\]|\\.)*") \[label', dot(Graph(components=(a, b))), re.MULTILINE)

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
    lines = mermaid(two(first, second)).splitlines()

    assert len(lines) == 4
    for line in lines[1:]:
        assert re.fullmatch(
            r'  n\d(\[\[?|( -->\|))"(?:[^"<>`|\[\](){}\\;]|#\d+;)*"(\]\]?|\| n\d)', line
        ), line


def test_arrows_point_from_who_depends_to_what_it_depends_on():
    assert '"agent:Checkout" -> "tool:charge_card" [label="uses_tool ×10, 3 failed"' in dot(shop())


def test_long_names_are_shortened_where_they_are_only_labels():
    graph = Graph(components=(replace(CHECKOUT, name="x" * 10_000),))

    assert len(mermaid(graph)) < 200
