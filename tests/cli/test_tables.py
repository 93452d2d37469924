from __future__ import annotations

import io
import sys
from dataclasses import replace
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from agentguard.cli.output import console, shown
from agentguard.cli.tables.analysis import analysis_parts, cycles_part
from agentguard.cli.tables.catalog import catalog_parts
from agentguard.cli.tables.cells import height, milliseconds, percent
from agentguard.cli.tables.graph import graph_parts, names_by_id
from agentguard.cli.tables.playbook import playbook_parts
from agentguard.cli.tables.simulation import simulation_parts
from tests.cli.documents import FAILED, TEMPLATE, documents, shop_called
from tests.graph.handmade import INVOICE, TRACE, shop

ATTACKS = [
    "\x1b[2J\x1b]0;owned\x07",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "[bold red]markup[/bold red][link=http://evil]x[/link]",
    "[/]",
    ":smiley:",
    "\u202eexe.gpj\u2066\u200b\ufeff",
    "a\r\n\tb\0c\x08\x7f\x9b31m",
    "Z" + "\u0301" * 500,
    "x" * 10_000,
    "漢字" * 3_000,
    "🙂👩‍👩‍👧‍👦",
    "\ud800",
    "{trace_id}",
    "",
]
strangers = st.one_of(st.sampled_from(ATTACKS), st.text(max_size=80))


def parts(made: dict) -> list:
    safe = shown(made)
    called = names_by_id(safe["graph"])
    return [
        *graph_parts(safe["graph"]),
        *analysis_parts(safe["graph"]["analysis"], called),
        *simulation_parts(safe["simulation"], called, full=True),
        *playbook_parts(safe["playbook"]),
        *catalog_parts(safe["catalog"]),
    ]


def printed(made: dict, *, width: int = 100, terminal: bool = False) -> str:
    file = io.StringIO()
    screen = Console(
        file=file,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
    )
    for part in parts(made):
        screen.print(part)
    return file.getvalue()


@settings(max_examples=40, deadline=None)
@given(name=strangers, trace_id=strangers, width=st.sampled_from([80, 100, 120]))
def test_no_name_acts_on_the_terminal_or_breaks_a_table(name, trace_id, width):
    text = printed(documents(shop_called(name, trace_id), FAILED, owner=name), width=width)

    assert not [c for c in text if category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n"]
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert len(text) < 60_000


@settings(max_examples=20, deadline=None)
@given(name=strangers)
def test_on_a_terminal_only_our_own_escapes_are_written(name):
    made = documents(shop_called(name, TRACE), FAILED, template=TEMPLATE)

    text = printed(made, terminal=True)

    ours = [line for line in text.split("\x1b")[1:] if not line.startswith("[")]
    assert all(link.startswith(("]8;id=", "]8;;", "\\")) for link in ours)
    assert {link.split(";", 2)[2].split("\x1b")[0] for link in ours if link.startswith("]8")} <= {
        "",
        f"http://jaeger:16686/trace/{TRACE}",
    }


def test_markup_in_a_name_is_text():
    assert "[bold red]Checkout" in printed(documents(shop_called("[bold red]", TRACE), FAILED))


def test_evidence_is_linked_on_a_terminal_and_spelled_out_elsewhere():
    made = documents(shop(), FAILED, template=TEMPLATE)

    assert f";http://jaeger:16686/trace/{TRACE}\x1b\\" in printed(made, terminal=True)
    assert f"{TRACE}  http://jaeger:16686/trace/{TRACE}" in printed(made, width=120)


def test_the_report_names_every_finding():
    text = printed(documents(shop(), FAILED), width=120)

    for word in (
        "Components: 6 (3 agents)",
        "Shadow agents: 2",
        "Dependencies: 5",
        "Single points of failure",
        "Cycles",
        "Risk, 0 to 10",
    ):
        assert word in text
    assert "charge_card → Checkout" in text
    assert "Activate backups" in text
    assert "payments team" in text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1, "100%"),
        (0.9999, "99.9%"),
        (0.0001, "<0.1%"),
        (0.004, "0.4%"),
        (0.5, "50%"),
        (None, "–"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_all(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0.0 ms"),
        (0.04, "<0.1 ms"),
        (9.96, "10.0 ms"),
        (340.2, "340 ms"),
        (1500, "1.5 s"),
        (7_200_000, "120 min"),
    ],
)
def test_a_duration_has_the_unit_that_fits(value, text):
    assert milliseconds(value) == text


def test_a_block_grows_with_its_share():
    assert [height(s) for s in (0, 0.001, 0.5, 1)] == [" ", "▁", "▅", "█"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_terminal_encoding_can_be_written(encoding, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(
        sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    )
    monkeypatch.setenv("COLUMNS", "100")

    screen = console(sys.stdout)
    for part in parts(documents(shop_called("漢é🙂", TRACE), FAILED)):
        screen.print(part)
    sys.stdout.flush()

    lines = raw.getvalue().decode(encoding).splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert any(("漢" if encoding == "utf-8" else "\\u6f22") in line for line in lines)


def test_what_continues_without_the_failed_component_is_named():
    absorbing = [
        replace(d, calls=10, source_runs=10, errors=8, absorbed=8) if d.target == INVOICE.id else d
        for d in shop().dependencies
    ]
    made = documents(replace(shop(), dependencies=tuple(absorbing), fallbacks=()), INVOICE.id)

    assert "Checkout continues without send_invoice" in printed(made)
    assert "Workflows that lose runs\nNone." in printed(made)


def drifting(count: int) -> dict:
    """The shop's comparison, with the drift of one entry found for `count` entries."""
    made = documents(shop(), FAILED)["catalog"]
    first = next(d for d in made["drift"] if d["aspect"] == "models")
    drift = [{**first, "entry": {**first["entry"], "name": f"Agent{n}"}} for n in range(count)]
    return {**made, "drift": drift}


def catalog_text(document: dict, *, full: bool) -> str:
    file = io.StringIO()
    screen = Console(file=file, width=100, markup=False, emoji=False, highlight=False)
    for part in catalog_parts(shown(document), full=full):
        screen.print(part)
    return file.getvalue()


def test_the_same_finding_on_many_entries_is_one_line_until_full():
    document = drifting(8)
    reason = document["drift"][0]["reason"].split()[0]

    grouped, each = (catalog_text(document, full=full) for full in (False, True))

    assert "8 entries: Agent0, Agent1, Agent2, Agent3, Agent4 and 3 more" in grouped
    assert reason not in grouped.split("Drift: 8")[1].split("Ghosts")[0]
    assert each.split("Drift: 8")[1].count(reason) == 8


def test_a_few_findings_are_shown_with_their_reasons():
    assert "entries:" not in catalog_text(drifting(3), full=False)


def test_components_are_counted_by_standing_and_kind_until_full():
    document = documents(shop(), FAILED)["catalog"]
    ids = [c["id"] for c in document["components"]]

    grouped, each = (catalog_text(document, full=full) for full in (False, True))

    assert not any(id_ in grouped.split("Drift")[0] for id_ in ids)
    assert all(id_ in each for id_ in ids)


@pytest.mark.parametrize("full", [True, False])
def test_a_long_cycle_is_shortened_until_full(full):
    ids = [f"agent:{n}" for n in range(30)]
    cycle = {"components": ids, "witness": ids, "evidence": [{"trace_id": TRACE, "url": None}]}
    file = io.StringIO()
    Console(file=file, width=1_000).print(
        cycles_part({"cycles": [cycle]}, {}, top=None if full else 20)
    )
    text = file.getvalue()
    assert ("agent:29" in text, "… 21 more" in text) == (full, not full)
