from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from agentguard.cli.tables.rows import Rows, dispensable, names, number, sentences, text

words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=60)
COLUMNS = (
    names("Name"),
    text("Kind"),
    number("Calls"),
    dispensable(number("p95"), 1),
    dispensable(text("Trace"), 2),
)


def printed(rows: Rows, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, emoji=False, highlight=False).print(rows)
    return file.getvalue().splitlines()


@given(name=words, calls=st.integers(0, 10**12), width=st.integers(40, 200))
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(name, calls, width):
    lines = printed(
        Rows(COLUMNS, [[name, "datastore", f"{calls:,}", "120 ms", "0af76519…"]]), width
    )

    assert len(lines) == 3
    assert all(cell_len(line) <= width for line in lines)
    assert f"{calls:,}" in lines[2]
    assert "datastore" in lines[2]


def test_the_least_important_column_gives_way_first():
    rows = Rows(
        COLUMNS, [["a-rather-long-name-of-an-agent", "datastore", "1,000", "120 ms", "0af76519…"]]
    )

    headings = {width: printed(rows, width)[0].split() for width in (80, 46, 38)}

    assert headings == {
        80: ["Name", "Kind", "Calls", "p95", "Trace"],
        46: ["Name", "Kind", "Calls", "p95"],
        38: ["Name", "Kind", "Calls"],
    }


def test_short_names_leave_their_room_to_long_ones():
    rows = Rows(
        (names("A"), names("B"), number("N")), [["ab", "a-name-of-thirty-characters-xx", "1"]]
    )

    assert "a-name-of-thirty-characters-xx" in printed(rows, 40)[2]


def test_sentences_wrap_and_lose_no_word():
    sentence = "failed 3 of 10 times, each time after a timeout of the payment provider"

    lines = printed(Rows((names("Name"), sentences("Why")), [["charge_card", sentence]]), 40)

    assert " ".join(" ".join(line[len("charge_card") :] for line in lines[2:]).split()) == sentence


def test_rows_left_out_are_counted():
    rows = [[str(i)] for i in range(27)]

    cut, whole = (printed(Rows((number("N"),), rows, top=top), 80) for top in (20, None))

    assert len(cut) == 20 + 3
    assert "7 more" in cut[-1]
    assert len(whole) == 27 + 2
